//! Whether and how urgently the run is stopping (`token`), and after how many failures or successes it stops (`halt`).

pub(crate) mod halt;
pub(crate) mod token;
