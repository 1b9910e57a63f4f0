//! The agent at scale: what `cargo xtask scale` runs. Network namespaces and a
//! scripted API server stand in for kubelets and their pods. What is measured
//! and how it is to be read is in docs/performance.md.

mod figures;
mod label;
mod memory;
mod packet;
mod start;

use anyhow::{Context as _, Result, ensure};
use figures::Figures;
use tests::ScriptedNode;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |what: &str| -> Result<usize> {
        let text = arguments
            .next()
            .with_context(|| format!("{what} are wanted"))?;
        text.parse().with_context(|| format!("{what}: {text}"))
    };
    let (pods, rounds, tries) = (number("pods")?, number("rounds")?, number("tries")?);
    ensure!(pods > 1 && rounds > 0 && tries > 0, "none at all");
    let mut figures = Figures::default();
    let node = ScriptedNode::new();
    let all: Vec<_> = (0..pods)
        .map(|number| node.pod(&format!("pod-{number}")))
        .collect();
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}: {pods} pods");
        let agent = start::measure(&node, &all, &mut figures)?;
        packet::measure(&node, &all, &agent, &mut figures)?;
        drop(node.end(agent));
        start::take_over(&node, &all, &mut figures)?;
    }
    drop(all);
    for pod in 0..pods {
        node.api.remove("pods", &format!("pod-{pod}"));
    }
    eprintln!("{tries} labels, {tries} births");
    label::measure(&node, tries, &mut figures)?;
    print!("{}", figures.table());
    Ok(())
}
