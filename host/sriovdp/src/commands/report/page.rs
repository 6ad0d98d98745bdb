//! `report.html`: the node as one page that needs no network, no script and no other file.

use std::fmt::Write;

use sriovdp_report::Escaped;

const STYLE: &str = include_str!("page.css");
/// Of the style, for the content security policy: `openssl dgst -sha256 -binary page.css | base64`.
const STYLE_DIGEST: &str = "n1K3Ad7GUYTJ+zC72fSfwFqS+cevpudeLCdJzPL/vcI=";

/// What the page shows. Its texts may come from the node.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// What the report is about: a name and a value each.
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) pools: Vec<PoolRow>,
    /// The physical functions, in the order of their NUMA nodes and addresses.
    pub(super) cards: Vec<Card>,
    /// The output of `check`.
    pub(super) check: String,
}

/// One resource.
#[derive(Debug)]
pub(super) struct PoolRow {
    pub(super) name: String,
    pub(super) device_type: String,
    /// Its devices, or why they are unknown.
    pub(super) devices: Result<Counts, String>,
}

/// The devices of a pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) all: usize,
    pub(super) healthy: usize,
    pub(super) used: usize,
}

/// A physical function with its virtual ones and other devices.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) numa_node: Option<u32>,
    pub(super) name: String,
    /// Ids, driver, number of virtual functions.
    pub(super) details: Vec<String>,
    /// Of its interfaces.
    pub(super) links: Vec<Link>,
    pub(super) devices: Vec<Device>,
}

/// The link of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Up,
    NoCarrier,
    Off,
}

/// One device in the grid of its card.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) label: String,
    pub(super) state: State,
    /// Its pool, by the position in the list of pools.
    pub(super) pool: Option<usize>,
    /// Its name, and then one reason each.
    pub(super) lines: Vec<String>,
}

/// Whether a pod can get a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It can.
    Free,
    /// A pod has it.
    Used,
    /// It is in a pool, and unhealthy.
    Unhealthy,
    /// It is in no pool.
    Unassigned,
}

/// A text of the node in HTML.
struct Html<'a>(&'a str);

impl std::fmt::Display for Html<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in format!("{:#}", Escaped(self.0)).chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

impl State {
    const ALL: [Self; 4] = [Self::Free, Self::Used, Self::Unhealthy, Self::Unassigned];

    fn class(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Used => "used",
            Self::Unhealthy => "bad",
            Self::Unassigned => "none",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Used => "used by a pod",
            Self::Unhealthy => "unhealthy",
            Self::Unassigned => "in no pool",
        }
    }
}

impl Link {
    fn html(self) -> &'static str {
        match self {
            Self::Up => "<span>link up</span> ",
            Self::NoCarrier => "<span class=\"warn\">no link</span> ",
            Self::Off => "<span class=\"warn\">switched off</span> ",
        }
    }
}

impl Page {
    /// The document.
    pub(super) fn html(&self) -> String {
        let mut html = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{STYLE_DIGEST}'\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>sriovdp report</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>sriovdp report</h1>\n"
        );
        // Writing to a text cannot fail.
        let _ = self.write(&mut html);
        html
    }

    fn write(&self, html: &mut String) -> std::fmt::Result {
        html.write_str("<dl>\n")?;
        for (name, value) in &self.facts {
            writeln!(html, "<div><dt>{name}</dt><dd>{}</dd></div>", Html(value))?;
        }
        html.write_str("</dl>\n")?;
        self.write_pools(html)?;
        let open = match self.check.lines().count() {
            0..=MANY_LINES => " open",
            _ => "",
        };
        let check = Html(&self.check);
        writeln!(
            html,
            "<details{open}><summary>Output of sriovdp check</summary><pre>{check}</pre></details>"
        )?;
        html.write_str("<ul class=\"legend\">\n")?;
        for state in State::ALL {
            writeln!(
                html,
                "<li><span class=\"swatch {}\"></span>{}</li>",
                state.class(),
                state.meaning()
            )?;
        }
        html.write_str("<li>Point at a device, or focus it, for its reasons.</li>\n</ul>\n")?;
        let mut node = None;
        for card in &self.cards {
            if node != Some(card.numa_node) {
                html.write_str(if node.is_some() {
                    "</div></section>\n"
                } else {
                    ""
                })?;
                let name = card
                    .numa_node
                    .map_or_else(|| "No NUMA node".to_owned(), |n| format!("NUMA node {n}"));
                writeln!(
                    html,
                    "<section class=\"numa\"><h2>{name}</h2><div class=\"cards\">"
                )?;
                node = Some(card.numa_node);
            }
            self.write_card(html, card)?;
        }
        html.write_str(match node {
            Some(_) => "</div></section>\n",
            None => "<p>No provider has discovered a device.</p>\n",
        })?;
        html.write_str(
            "</body>
</html>
",
        )
    }

    fn write_pools(&self, html: &mut String) -> std::fmt::Result {
        html.write_str(
            "<table>\n<thead><tr><th></th><th>Resource</th><th>Type</th><th>Devices</th><th>Healthy</th><th>Used</th></tr></thead>\n<tbody>\n",
        )?;
        for (number, pool) in self.pools.iter().enumerate() {
            write!(
                html,
                "<tr><td><span class=\"key p{}\">{}</span></td><td>{}</td><td>{}</td>",
                number % COLOURS,
                letter(number),
                Html(&pool.name),
                Html(&pool.device_type)
            )?;
            match &pool.devices {
                Ok(Counts { all, healthy, used }) => {
                    let class = if healthy < all { " class=\"warn\"" } else { "" };
                    writeln!(
                        html,
                        "<td>{all}</td><td{class}>{healthy}</td><td>{used}</td></tr>"
                    )?;
                }
                Err(reason) => writeln!(
                    html,
                    "<td class=\"warn\" colspan=\"3\">unknown: {}</td></tr>",
                    Html(reason)
                )?,
            }
        }
        html.write_str("</tbody>\n</table>\n")
    }

    fn write_card(&self, html: &mut String, card: &Card) -> std::fmt::Result {
        write!(
            html,
            "<article class=\"pf\"><h3>{}</h3><p>",
            Html(&card.name)
        )?;
        for detail in &card.details {
            write!(html, "<span>{}</span> ", Html(detail))?;
        }
        for link in &card.links {
            html.write_str(link.html())?;
        }
        html.write_str(
            "</p>
<ul class=\"devices\">
",
        )?;
        for device in &card.devices {
            let (state, pool) = (device.state.class(), device.pool);
            let colour = pool
                .map(|pool| format!(" p{}", pool % COLOURS))
                .unwrap_or_default();
            let key = pool.map(letter).unwrap_or_default();
            write!(
                html,
                "<li class=\"d {state}{colour}\" tabindex=\"0\"><b>{}</b><i>{key}</i><div class=\"tip\" role=\"tooltip\">",
                Html(&device.label)
            )?;
            for (number, line) in device.lines.iter().enumerate() {
                let tag = if number == 0 { "strong" } else { "p" };
                write!(html, "<{tag}>{}</{tag}>", Html(line))?;
            }
            html.write_str("</div></li>\n")?;
        }
        html.write_str("</ul></article>\n")
    }
}

/// A longer output of `check` is folded.
const MANY_LINES: usize = 12;
/// How many colours the style has for pools.
const COLOURS: usize = 8;

/// The short name of a pool: a letter, or a number behind the last one.
fn letter(pool: usize) -> String {
    match u8::try_from(pool) {
        Ok(pool @ 0..26) => char::from(b'A' + pool).to_string(),
        _ => (pool + 1).to_string(),
    }
}
