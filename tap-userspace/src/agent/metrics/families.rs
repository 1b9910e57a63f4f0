//! Families of samples, written one after the other.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

/// Where they are written. Names begin with `podtap_`, and those of counters
/// are said without `_total`.
#[derive(Debug)]
pub(super) struct Families<'a>(DescriptorEncoder<'a>);

/// One sample's labels, by name.
pub(super) type LabelSet = Vec<(&'static str, String)>;

impl<'a> Families<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// Counters that differ in their labels.
    pub(super) fn counters(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (LabelSet, u64)>,
    ) -> fmt::Result {
        let samples = samples
            .into_iter()
            .map(|(labels, value)| (labels, ConstCounter::new(value)));
        self.family(name, help, MetricType::Counter, samples)
    }

    /// A counter without labels.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.counters(name, help, [(LabelSet::new(), value)])
    }

    /// Gauges that differ in their labels.
    pub(super) fn gauges(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (LabelSet, u64)>,
    ) -> fmt::Result {
        // Far below 2^53 all of them: exact.
        let gauge = |value: u64| ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        let samples = samples
            .into_iter()
            .map(|(labels, value)| (labels, gauge(value)));
        self.family(name, help, MetricType::Gauge, samples)
    }

    /// A gauge without labels.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.gauges(name, help, [(LabelSet::new(), value)])
    }

    /// A histogram.
    pub(super) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        encode: impl FnOnce(MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        encode(
            self.0
                .encode_descriptor(name, help, None, MetricType::Histogram)?,
        )
    }

    fn family<M: EncodeMetric>(
        &mut self,
        name: &str,
        help: &str,
        metric_type: MetricType,
        samples: impl IntoIterator<Item = (LabelSet, M)>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, metric_type)?;
        for (labels, metric) in samples {
            if labels.is_empty() {
                // The only one.
                return metric.encode(encoder);
            }
            let labels: LabelSet = labels
                .into_iter()
                .map(|(name, value)| (name, escaped(&value)))
                .collect();
            metric.encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// prometheus-client writes a label's value as it is. OpenMetrics wants these
/// three escaped (its section `ABNF`, `escaped-char`).
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
