//! The network of the machines: a bridge on the control machine, a cable
//! (veth) to each node, and routes to each node's pods.

use anyhow::{Context as _, Result};

use super::addresses::{API_SERVER, KUBERNETES_SERVICE, NodeNumber, SERVICES};
use super::machine::Machine;
use crate::process::{output_with_input, run};

/// Connects the machines. `nodes` are all nodes with their machines.
pub(super) fn connect(control: &Machine, nodes: &[(NodeNumber, Machine)]) -> Result<()> {
    batch(
        control,
        &format!(
            "link set lo up\n\
             link add br0 type bridge\n\
             addr add {API_SERVER}/24 dev br0\n\
             addr add {KUBERNETES_SERVICE}/32 dev br0\n\
             link set br0 up\n"
        ),
    )?;
    for (number, machine) in nodes {
        cable(control, *number, machine)?;
    }
    // Routes last: a gateway must be reachable when its route is added.
    for (number, machine) in nodes {
        let mut routes = format!(
            "route add {KUBERNETES_SERVICE}/32 via {API_SERVER}\n\
             route add unreachable {SERVICES}\n"
        );
        for (other, _) in nodes.iter().filter(|(other, _)| other != number) {
            routes.push_str(&format!("route add {} via {}\n", other.pods(), other.ip()));
        }
        batch(machine, &routes)?;
        batch(
            control,
            &format!("route add {} via {}\n", number.pods(), number.ip()),
        )?;
        run(machine
            .command("sh")
            .args(["-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"]))?;
    }
    Ok(())
}

/// One node's cable: its `eth0`, and `nodeN` on the control machine's bridge.
fn cable(control: &Machine, number: NodeNumber, machine: &Machine) -> Result<()> {
    let name = number.name();
    // Only the network is entered: the kernel reads the process id that names
    // the other end's namespace in the process namespace of the caller.
    let mut plug = std::process::Command::new("nsenter");
    plug.arg(format!("--net={}", control.netns().display()))
        .args([
            "ip", "link", "add", &name, "type", "veth", "peer", "name", "eth0", "netns",
        ])
        .arg(machine.pid().to_string());
    run(&mut plug)?;
    batch(
        control,
        &format!("link set {name} master br0\nlink set {name} up\n"),
    )?;
    batch(
        machine,
        &format!(
            "link set lo up\naddr add {}/24 dev eth0\nlink set eth0 up\n",
            number.ip()
        ),
    )
}

fn batch(machine: &Machine, commands: &str) -> Result<()> {
    output_with_input(
        machine.command("ip").args(["-batch", "-"]),
        commands.as_bytes(),
    )
    .with_context(|| format!("network of {}", machine.name()))
    .map(drop)
}
