//! `podtap capture` as its user meets it, one concept a file: what is wrong is
//! said in one line, what is asked for is done to the packet, and standard
//! output is packets.
//!
//! If this fails, a script that pipes podtap into Wireshark breaks, a typing
//! error leaves something on the node, or a capture claims what it has not.

mod bad_input;
mod ending;
mod file;
mod kubeconfig;
mod lines;
mod refused;
mod surroundings;
mod traffic;
