//! The log: structured events on standard error. `docs/logging.md` lists them.

mod writer;

use std::fmt;
use std::io;
use std::sync::Arc;

use serde_json::{Map, Value};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer, debug_fn, format};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::{LogFormat, Logging};
use crate::style;
use sriovdp_agent::history::History;
use sriovdp_agent::metrics::{METRICS_TARGET, Recorded};
use sriovdp_providers::TRACE_TARGET;
use sriovdp_report::Escaped;

pub use writer::is_standard_error_writable;

use writer::LogWriter;

/// Crates of this project begin with it.
const OWN_TARGETS: &str = "sriovdp";

/// Sets up the log of this process, records the events from INFO on in `history`, and counts them in `recorded`.
pub fn start(logging: &Logging, history: &Arc<History>, recorded: Option<&Arc<Recorded>>) {
    let level = LevelFilter::from_level(logging.log_level);
    let of_trace = match level {
        LevelFilter::TRACE => LevelFilter::DEBUG,
        _ => LevelFilter::OFF,
    };
    let targets = Targets::new()
        .with_target(OWN_TARGETS, level)
        .with_target(METRICS_TARGET, of_trace)
        .with_target(TRACE_TARGET, of_trace)
        .with_default(level.min(LevelFilter::WARN));
    let writer = Arc::new(LogWriter::new(io::stderr()));
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let from_info = Targets::new().with_target(OWN_TARGETS, LevelFilter::INFO);
    let history = history.layer().with_filter(from_info.clone());
    let counted = from_info.with_target(METRICS_TARGET, LevelFilter::DEBUG);
    let metrics = recorded.map(|recorded| recorded.layer().with_filter(counted));
    let registry = tracing_subscriber::registry().with(history).with(metrics);
    match logging.log_format {
        // JSON escapes by itself. A text may be a peer's or a provider's, and none may forge a line.
        LogFormat::Text => {
            let fields = debug_fn(|writer, field, value| {
                let value = format!("{value:?}");
                match field.name() {
                    "message" => write!(writer, "{}", Escaped(&value)),
                    name => write!(writer, "{name}={}", Escaped(&value)),
                }
            });
            let layer = layer
                .with_ansi(style::has_colors(&io::stderr()))
                .event_format(FlatText)
                .fmt_fields(fields.delimited(" "));
            registry.with(layer.with_filter(targets)).init();
        }
        LogFormat::Json => {
            let layer = layer
                .event_format(FlatJson::new())
                .fmt_fields(JsonFields::new());
            registry.with(layer.with_filter(targets)).init();
        }
    }
}

/// Time, level, message and fields; those of spans come last, as if they were the event's own.
struct FlatText;

impl<S, N> FormatEvent<S, N> for FlatText
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        SystemTime.format_time(&mut writer)?;
        let level = *event.metadata().level();
        match writer.has_ansi_escapes() {
            true => write!(writer, " \x1b[{}m{level:>5}\x1b[0m ", color(level))?,
            false => write!(writer, " {level:>5} ")?,
        }
        context.format_fields(writer.by_ref(), event)?;
        for span in context.event_scope().into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                write!(writer, " {fields}")?;
            }
        }
        writeln!(writer)
    }
}

/// The SGR code of a level on a terminal.
fn color(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        _ => 34,
    }
}

/// tracing's JSON, with the fields of spans at the top level beside those of the event.
struct FlatJson(Format<Json>);

impl FlatJson {
    fn new() -> Self {
        Self(format().json().flatten_event(true))
    }
}

impl<S, N> FormatEvent<S, N> for FlatJson
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.0
            .format_event(context, Writer::new(&mut line), event)?;
        let mut fields: Map<String, Value> = serde_json::from_str(&line).map_err(|_| fmt::Error)?;
        fields.remove("span");
        if let Some(Value::Array(spans)) = fields.remove("spans") {
            for (name, value) in spans.iter().rev().filter_map(Value::as_object).flatten() {
                if name != "name" {
                    fields.entry(name).or_insert_with(|| value.clone());
                }
            }
        }
        writeln!(writer, "{}", Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn fields_of_spans_end_a_line_of_text() {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .event_format(FlatText)
            .with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let _pool = tracing::info_span!("pool", resource = %"intel.com/x").entered();
            tracing::info!(event = "registered", "registered with the kubelet");
        });
        let line = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let (_, line) = line.split_once("Z ").unwrap();
        assert!(
            line.starts_with(" INFO registered with the kubelet event=")
                && line.ends_with(" resource=intel.com/x\n"),
            "{line}"
        );
    }

    #[test]
    fn fields_of_event_and_spans_are_at_the_top_level() {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer()
            .event_format(FlatJson::new())
            .fmt_fields(JsonFields::new())
            .with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!(event = "starting", "no span");
            let _pool = tracing::info_span!("pool", resource = "intel.com/x").entered();
            let _inner = tracing::info_span!("inner", call = "Allocate", n = 1).entered();
            tracing::warn!(event = "refused", n = 2, text = "a\nb", "two spans");
        });
        let lines = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> = lines
            .lines()
            .map(|line| {
                let mut line: Value = serde_json::from_str(line).unwrap();
                assert!(line["timestamp"].take().is_string());
                line
            })
            .collect();
        let target = "sriovdp::logging::tests";
        assert_eq!(
            lines,
            [
                json!({"timestamp": null, "level": "INFO", "target": target, "event": "starting", "message": "no span"}),
                json!({"timestamp": null, "level": "WARN", "target": target, "event": "refused", "message": "two spans",
                    "resource": "intel.com/x", "call": "Allocate", "n": 2, "text": "a\nb"}),
            ]
        );
    }
}
