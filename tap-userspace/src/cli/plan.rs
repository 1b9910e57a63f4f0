//! `podtap plan`: what labelling pods of this node would do.

use std::{fmt::Write as _, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use clap::Args;

use super::{
    agent::host_name,
    duration::duration,
    output::{Output, aligned, print},
};
use crate::{
    adapter::{
        kube::{self, PodSelection},
        process::ProcDir,
        socket,
    },
    agent::survey::{Begun, SurveyOptions},
    model::{
        opt_in::Own,
        pod::PodUid,
        rate::Rate,
        survey::{Prospect, Survey, SurveyedPod},
    },
};

/// How long the API server may take for all that it is asked.
const PATIENCE: Duration = Duration::from_secs(30);

/// Show which pods of this node would be tapped if they were labelled, what
/// they send and receive now, and what would be refused. Changes nothing.
#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    /// The pods that would be labelled podtap.dev/tap=true, by their labels,
    /// such as `app=web,tier!=db`; without it, those that are opted in.
    #[arg(long, short = 'l', value_name = "SELECTOR")]
    selector: Option<String>,
    /// Only pods of this namespace.
    #[arg(long, short, conflicts_with = "all_namespaces")]
    namespace: Option<String>,
    /// Pods of all namespaces, as without --namespace.
    #[arg(long, short = 'A')]
    all_namespaces: bool,
    /// Name of this node in Kubernetes; the machine's own if not given.
    #[arg(long, env = "PODTAP_NODE")]
    node: Option<String>,
    /// How long to count their traffic, such as `1s` or `500ms`.
    #[arg(long = "for", value_name = "DURATION", default_value = "1s", value_parser = duration)]
    over: Duration,
    /// How to print it.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Kubeconfig file; in a pod, its service account if not given.
    #[arg(long, value_name = "FILE", env = "PODTAP_KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// Where the node's proc file system is.
    #[arg(
        long,
        env = "PODTAP_PROC",
        value_name = "DIRECTORY",
        default_value = "/proc"
    )]
    proc: PathBuf,
    /// Socket of the agent, which says what is tapped already.
    #[arg(long, value_name = "PATH", env = "PODTAP_SOCKET", default_value = socket::DEFAULT_PATH)]
    socket: PathBuf,
    /// Namespace that podtap itself runs in: its pods there are never tapped.
    #[arg(long, env = "PODTAP_NAMESPACE")]
    own_namespace: Option<String>,
    /// UID of the pod that the agent runs in, which is never tapped.
    #[arg(long, env = "PODTAP_POD_UID", value_parser = PodUid::parse)]
    own_pod_uid: Option<PodUid>,
}

/// Asks, counts and prints.
pub(super) fn run(arguments: PlanArguments) -> Result<()> {
    let options = SurveyOptions {
        node: arguments.node.map_or_else(host_name, Ok)?,
        proc: ProcDir::new(arguments.proc),
        own: Own {
            namespace: arguments.own_namespace,
            uid: arguments.own_pod_uid,
        },
        as_if_labelled: arguments.selector.is_some(),
    };
    let selection = PodSelection {
        node: options.node.clone(),
        namespace: arguments.namespace,
        labels: arguments.selector,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let asked = async {
        let client = kube::client(arguments.kubeconfig).await?;
        let pods = kube::list_pods(&client, &selection).await?;
        let namespaces = kube::list_namespaces(&client).await?;
        // Without an agent it is only known what is opted in.
        let status = socket::status(&arguments.socket).await.ok();
        anyhow::Ok((pods, namespaces, status))
    };
    let (pods, namespaces, status) = runtime
        .block_on(async { tokio::time::timeout(PATIENCE, asked).await })
        .with_context(|| format!("no answer from the API server in {} s", PATIENCE.as_secs()))??;
    let begun = Begun::new(options, pods, &namespaces, status.as_ref());
    runtime.block_on(async { tokio::time::sleep(arguments.over).await });
    let survey = begun.end(arguments.over);
    print(&match arguments.output {
        Output::Json => serde_json::to_string_pretty(&survey)? + "\n",
        Output::Table => table(&survey, &selection)?,
    })
}

fn table(survey: &Survey, selection: &PodSelection) -> Result<String> {
    let mut text = String::new();
    if survey.pods.is_empty() {
        match &selection.labels {
            Some(labels) => writeln!(text, "no pod of the node {} has {labels}", survey.node)?,
            None => writeln!(
                text,
                "no pod of the node {} is opted in; -l SELECTOR shows those that could be",
                survey.node
            )?,
        }
        return Ok(text);
    }
    let head = [
        "POD",
        "PLAN",
        "INTERFACE",
        "IN BIT/S",
        "IN PACKETS/S",
        "OUT BIT/S",
        "OUT PACKETS/S",
    ];
    let mut rows = vec![head.map(String::from).to_vec()];
    for pod in &survey.pods {
        rows.extend(pod_rows(pod));
    }
    aligned(&mut text, &rows);
    for pod in &survey.pods {
        let name = format!("{}/{}", pod.namespace, pod.pod);
        match (&pod.reason, &pod.message) {
            (Some(reason), Some(message)) => writeln!(text, "{name} ({reason}): {message}")?,
            (None, Some(message)) => {
                writeln!(text, "{name}: its traffic is not known: {message}")?;
            }
            _ => {}
        }
    }
    let total = &survey.total;
    let both = total.received.plus(total.sent);
    write!(
        text,
        "{} pods on the tap: {}bit/s ({}bit/s in, {}bit/s out), {}packets/s, a super-frame \
         counted as one",
        total.pods,
        scaled(both.bits_per_s),
        scaled(total.received.bits_per_s),
        scaled(total.sent.bits_per_s),
        scaled(both.packets_per_s)
    )?;
    if total.unknown > 0 {
        write!(text, "; {} whose traffic is not known", total.unknown)?;
    }
    text.push('\n');
    Ok(text)
}

fn pod_rows(pod: &SurveyedPod) -> Vec<Vec<String>> {
    let name = format!("{}/{}", pod.namespace, pod.pod);
    let plan = match pod.prospect {
        Prospect::Tapped => "is tapped",
        Prospect::OptedIn => "is opted in",
        Prospect::WouldBeTapped => "would be tapped",
        Prospect::Refused => "refused",
        Prospect::Finished => "has finished",
    };
    if pod.interfaces.is_empty() {
        return vec![vec![name, plan.into()]];
    }
    let cells = |rate: Option<Rate>| match rate {
        Some(rate) => [rate.bits_per_s, rate.packets_per_s].map(|number| {
            let text = scaled(number);
            text.trim_end().replace(' ', "")
        }),
        None => ["-".into(), "-".into()],
    };
    pod.interfaces
        .iter()
        .map(|interface| {
            let mut row = vec![name.clone(), plan.into(), interface.interface.clone()];
            row.extend(cells(interface.received));
            row.extend(cells(interface.sent));
            row
        })
        .collect()
}

/// Three digits at least, and the unit's prefix: `999 `, `1.23 k`, `12.3 M`.
fn scaled(number: u64) -> String {
    let mut unit: u64 = 1;
    let mut prefixes = ["", "k", "M", "G", "T", "P"].into_iter();
    let mut prefix = prefixes.next().unwrap_or_default();
    // By what is printed: 999,500 is 1.00 M and not 1000 k.
    while number >= unit.saturating_mul(1000) - unit / 2 {
        let Some(next) = prefixes.next() else {
            break;
        };
        prefix = next;
        unit *= 1000;
    }
    if unit == 1 {
        return format!("{number} ");
    }
    let rounded = |parts: u128| {
        let unit = u128::from(unit);
        (u128::from(number) * parts + unit / 2) / unit
    };
    match (rounded(100), rounded(10), rounded(1)) {
        (hundredths @ ..1000, _, _) => {
            format!("{}.{:02} {prefix}", hundredths / 100, hundredths % 100)
        }
        (_, tenths @ ..1000, _) => format!("{}.{} {prefix}", tenths / 10, tenths % 10),
        (_, _, whole) => format!("{whole} {prefix}"),
    }
}

#[cfg(test)]
mod tests {
    use super::scaled;

    #[test]
    fn numbers_are_short_and_not_far_off() {
        for (number, text) in [
            (0, "0 "),
            (999, "999 "),
            (1000, "1.00 k"),
            (1234, "1.23 k"),
            (9999, "10.0 k"),
            (12_345, "12.3 k"),
            (123_456, "123 k"),
            (999_499, "999 k"),
            (999_500, "1.00 M"),
            (9_400_000_000, "9.40 G"),
            (u64::MAX, "18447 P"),
        ] {
            assert_eq!(scaled(number), text, "{number}");
        }
    }
}
