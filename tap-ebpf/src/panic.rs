//! Never reached: nothing in these programs panics, and the linker leaves it
//! out.

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
