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
        scaled::scaled,
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
