//! The text formats: Prometheus 0.0.4 and OpenMetrics 1.0.
//!
//! They differ in the names of counters, which OpenMetrics declares without their `_total`, and in the last line.

use std::fmt::{Display, Write as _};

/// The format of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `text/plain; version=0.0.4`.
    Prometheus,
    /// `application/openmetrics-text; version=1.0.0`.
    OpenMetrics,
}

impl Format {
    /// The format that an `Accept` header asks for. Prometheus names OpenMetrics first where it supports it.
    pub fn accepted(header: &str) -> Self {
        match header.contains("application/openmetrics-text") {
            true => Self::OpenMetrics,
            false => Self::Prometheus,
        }
    }

    /// The `Content-Type` of the page.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Gauge,
    /// Its name ends in `_total`.
    Counter,
    Histogram,
}

/// What a metric is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
}

/// Names and values of a sample's labels.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// A page in the making.
pub(super) struct Text {
    format: Format,
    text: String,
}

impl Text {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            text: String::new(),
        }
    }

    /// Begins a metric; its samples follow.
    pub(super) fn family(&mut self, family: &Family) {
        let kind = match family.kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
        };
        let name = match self.format {
            Format::Prometheus => family.name,
            Format::OpenMetrics => family.name.strip_suffix("_total").unwrap_or(family.name),
        };
        // A string takes everything.
        let _ = writeln!(self.text, "# HELP {name} {}", family.help);
        let _ = writeln!(self.text, "# TYPE {name} {kind}");
    }

    pub(super) fn sample(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        self.text += name;
        let mut separator = '{';
        for (label, value) in labels {
            let value = value
                .replace('\\', r"\\")
                .replace('"', "\\\"")
                .replace('\n', r"\n");
            let _ = write!(self.text, "{separator}{label}=\"{value}\"");
            separator = ',';
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{end} {value}");
    }

    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text += "# EOF\n";
        }
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(format: Format) -> String {
        let mut text = Text::new(format);
        text.family(&Family {
            name: "a_total",
            kind: Kind::Counter,
            help: "Things.",
        });
        text.sample("a_total", &[("x", "a\"b\\c\nd"), ("y", "")], 2);
        text.sample("a_total", &[], 1.5);
        text.finish()
    }

    #[test]
    fn both_formats() {
        let samples = "a_total{x=\"a\\\"b\\\\c\\nd\",y=\"\"} 2\na_total 1.5\n";
        assert_eq!(
            page(Format::Prometheus),
            format!("# HELP a_total Things.\n# TYPE a_total counter\n{samples}")
        );
        assert_eq!(
            page(Format::OpenMetrics),
            format!("# HELP a Things.\n# TYPE a counter\n{samples}# EOF\n")
        );
    }

    #[test]
    fn a_scraper_chooses_the_format() {
        let prometheus =
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3";
        assert_eq!(Format::accepted(prometheus), Format::OpenMetrics);
        assert_eq!(Format::accepted("*/*"), Format::Prometheus);
        assert_eq!(Format::accepted(""), Format::Prometheus);
    }
}
