//! A call, on systems without pools.

use std::sync::Arc;

use cordial::Exit;

use crate::dispatch::Carried;
use crate::function::Signature;
use crate::pool::shared::PoolShared;

#[expect(clippy::unused_async, reason = "it is async where there are pools")]
pub(super) async fn run(
    shared: Arc<PoolShared>,
    _signature: Signature,
    _input: Vec<u8>,
    _extra: Carried,
) -> Result<Vec<u8>, Exit> {
    match shared.never {}
}
