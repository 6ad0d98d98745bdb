//! A fake kubelet to try a plugin by hand: prints what happens, takes commands from standard input.
#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::{env, thread};

use sriovdp_fake_kubelet::{Config, FakeKubelet, KubeletVersion};
use tokio::sync::mpsc;

const USAGE: &str = "\
usage: fake-kubelet --root DIR [--watcher] [--version 1.32|1.36|1.37] [--device-manager FILE]

commands: allocate RESOURCE ID... | show RESOURCE | delete RESOURCE | cancel RESOURCE
          restart | violations | quit
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(config) = config(env::args().skip(1)) else {
        print(USAGE);
        return ExitCode::from(2);
    };
    match run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

fn config(mut arguments: impl Iterator<Item = String>) -> Option<Config> {
    let mut root = None;
    let mut watcher = false;
    let mut version = KubeletVersion::V1_37;
    let mut device_manager = None;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--root" => root = Some(arguments.next()?),
            "--watcher" => watcher = true,
            "--device-manager" => device_manager = Some(arguments.next()?.into()),
            "--version" => {
                version = match arguments.next()?.as_str() {
                    "1.32" => KubeletVersion::V1_32,
                    "1.36" => KubeletVersion::V1_36,
                    "1.37" => KubeletVersion::V1_37,
                    _ => return None,
                }
            }
            _ => return None,
        }
    }
    Some(Config {
        watcher,
        version,
        device_manager,
        ..Config::new(root?)
    })
}

async fn run(config: Config) -> Result<(), Box<dyn Error>> {
    let kubelet = FakeKubelet::start(config).await?;
    let mut commands = lines_of_stdin();
    let mut seen = 0;
    loop {
        tokio::select! {
            events = kubelet.events_after(seen) => {
                seen += events.len();
                for event in events {
                    print(&format!("{}\n", event.kind));
                }
            }
            line = commands.recv() => match line.as_deref().map(str::trim) {
                None | Some("quit") => return Ok(()),
                Some(line) => {
                    if let Err(error) = obey(&kubelet, line).await {
                        report(error.as_ref());
                    }
                }
            },
        }
    }
}

async fn obey(kubelet: &FakeKubelet, line: &str) -> Result<(), Box<dyn Error>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["allocate", resource, ids @ ..] => {
            let container = kubelet.allocate(resource, ids).await?;
            print(&format!("{container:#?}\n"));
        }
        ["show", resource] => match kubelet.resource(resource) {
            Some(view) => print(&format!("{view}\n")),
            None => print("never registered\n"),
        },
        ["delete", resource] => kubelet.delete_socket(resource)?,
        ["cancel", resource] => kubelet.cancel_stream(resource)?,
        ["restart"] => kubelet.restart().await?,
        ["violations"] => print(&format!("{:#?}\n", kubelet.violations())),
        [] => {}
        _ => print(USAGE),
    }
    Ok(())
}

/// Standard input can only be waited for by a thread, which nothing but the end of the process stops.
fn lines_of_stdin() -> mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn report(error: &dyn Error) {
    let mut text = format!("error: {error}\n");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("  caused by: {error}\n"));
        cause = error.source();
    }
    print(&text);
}

/// A closed standard output is ignored.
fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}
