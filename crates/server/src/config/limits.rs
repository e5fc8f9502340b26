//! What a server takes at most.

use super::ConfigError;

const GIB: u64 = 1 << 30;

/// What a server takes at most.
#[derive(Clone, Debug, clap::Args)]
pub struct Limits {
    /// Bytes that one account may store
    #[arg(long, env = "WAXD_QUOTA_BYTES", value_name = "BYTES", default_value_t = Limits::default().quota_bytes)]
    pub quota_bytes: u64,
    /// Bytes of one sealed file
    #[arg(long, env = "WAXD_FILE_BYTES", value_name = "BYTES", default_value_t = Limits::default().file_bytes)]
    pub file_bytes: u64,
    /// Unfinished uploads of one account
    #[arg(long, env = "WAXD_MAX_UPLOADS", value_name = "N", default_value_t = Limits::default().uploads)]
    pub uploads: u32,
    /// Parts and batches that are received at once, each in at most 8 MiB of memory; more wait for their turn
    #[arg(long, env = "WAXD_PARTS_AT_ONCE", value_name = "N", default_value_t = Limits::default().parts_at_once)]
    pub parts_at_once: u32,
    /// Codes sent to one address in an hour
    #[arg(long, env = "WAXD_CODES_PER_ADDRESS", value_name = "N", default_value_t = Limits::default().codes_per_address)]
    pub codes_per_address: u32,
    /// Sign-in requests of one network address in an hour
    #[arg(long, env = "WAXD_SIGN_INS_PER_IP", value_name = "N", default_value_t = Limits::default().sign_ins_per_ip)]
    pub sign_ins_per_ip: u32,
    /// Tries of one network address to open links in an hour
    #[arg(long, env = "WAXD_LINKS_PER_IP", value_name = "N", default_value_t = Limits::default().links_per_ip)]
    pub links_per_ip: u32,
    /// Looks at drop boxes, and uploads into them, of one network address in an hour
    #[arg(long, env = "WAXD_BOXES_PER_IP", value_name = "N", default_value_t = Limits::default().boxes_per_ip)]
    pub boxes_per_ip: u32,
    /// Directory requests (of up to 500 addresses) of one account in an hour
    #[arg(long, env = "WAXD_LOOKUPS_PER_HOUR", value_name = "N", default_value_t = Limits::default().lookups)]
    pub lookups: u32,
    /// Connections by which one account watches for what happens
    #[arg(long, env = "WAXD_WATCHERS_PER_ACCOUNT", value_name = "N", default_value_t = Limits::default().watchers_per_account)]
    pub watchers_per_account: u32,
    /// Connections by which all accounts watch this server
    #[arg(long, env = "WAXD_WATCHERS", value_name = "N", default_value_t = Limits::default().watchers)]
    pub watchers: u32,
    /// Seconds that a body may pause before its connection is given up
    #[arg(long, env = "WAXD_IDLE_SECONDS", value_name = "SECONDS", default_value_t = Limits::default().idle_seconds)]
    pub idle_seconds: u64,
    /// Seconds that any request other than content may take
    #[arg(long, env = "WAXD_REQUEST_SECONDS", value_name = "SECONDS", default_value_t = Limits::default().request_seconds)]
    pub request_seconds: u64,
    /// Seconds that a request's headers may take
    #[arg(long, env = "WAXD_HEADER_SECONDS", value_name = "SECONDS", default_value_t = Limits::default().header_seconds)]
    pub header_seconds: u64,
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.file_bytes > envelope::segment::MAX_BODY_LEN {
            return Err(ConfigError::Figure("a file cannot be larger than 16 TiB"));
        }
        if self.parts_at_once == 0 {
            return Err(ConfigError::Figure("a server that receives no part at all would be of no use"));
        }
        let figures = [self.idle_seconds, self.request_seconds, self.header_seconds];
        if figures.contains(&0) {
            return Err(ConfigError::Figure("a time limit of 0 seconds would refuse everything"));
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            quota_bytes: 100 * GIB,
            file_bytes: 64 * GIB,
            uploads: 1_000,
            parts_at_once: 256,
            codes_per_address: 5,
            sign_ins_per_ip: 120,
            links_per_ip: 1_200,
            boxes_per_ip: 600,
            lookups: 600,
            watchers_per_account: 16,
            watchers: 2_000,
            idle_seconds: 30,
            request_seconds: 30,
            header_seconds: 10,
        }
    }
}
