//! What each object needs beside its programs.

/// `bpf_send_signal` and its like are for GPL-compatible programs only (`kernel/bpf/verifier.c:check_helper_call`).
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
