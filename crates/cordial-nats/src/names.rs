//! Names: of groups, jobs and nodes, and the subjects and streams that are made of them.
//!
//! A subject of NATS is a list of tokens with dots between them, and `*` and `>` are wildcards. So each name that a user chooses is
//! checked, or escaped so that it is one token, before it becomes a part of a subject. The subjects of objects are in `objects.rs`.
//!
//! | subject | what is published there |
//! |---|---|
//! | `PREFIX.job.GROUP.ORIGIN.NAME` | a job; kept by the work-queue stream `PREFIX-jobs-GROUP` |
//! | `PREFIX.result.GROUP.ORIGIN.NAME` | its result; kept by `PREFIX-results`, which refuses a second one |
//! | `PREFIX.done.GROUP.ORIGIN.NAME` | the accepted result, published again by the server |
//! | `PREFIX.attempt.GROUP.ORIGIN.NAME.N` | how attempt N failed, was stopped, or was given up before it began; kept by `PREFIX-results` |
//! | `PREFIX.attempt.GROUP.ORIGIN.NAME.N-claim` | that attempt N begins; kept by `PREFIX-results` |
//! | `PREFIX.attempt.GROUP.ORIGIN.NAME.N-claim-M` | that attempt N still runs: renewal M of its claim; kept by `PREFIX-results` |
//! | `PREFIX.attempt.GROUP.ORIGIN.NAME.N-M` | piece M of the result of attempt N; kept by `PREFIX-results` |
//! | `PREFIX.dead.GROUP.ORIGIN.NAME` | a dead letter; kept by `PREFIX-dead` |
//! | `PREFIX.end.GROUP.ORIGIN.NAME` | the request to end a job that runs |
//! | `PREFIX.call.FUNCTION` | a call |
//! | `PREFIX.nodes`, `PREFIX.node.NAME` | questions to all nodes, requests to one |

use std::fmt::{self, Write};
use std::str::FromStr;
use std::sync::Arc;

/// The longest name of a group, a node or a prefix, in bytes. Names of streams are names of folders on the server.
const MAX_NAME: usize = 64;

/// The longest key of a job, in bytes.
pub(crate) const MAX_KEY: usize = 200;

/// The longest name of an object, in bytes. The subject contains the name in base64, which is a third longer, and the server limits the line
/// that contains the subject to 4096 bytes.
const MAX_OBJECT_NAME: usize = 2000;

/// The longest escaped name of a function that a subject contains as a whole, in bytes.
const MAX_FUNCTION: usize = 600;

/// The origin of jobs whose submitter has chosen a key.
const KEYED: &str = "key";

/// A name that cannot be a part of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidName {
    what: &'static str,
    name: String,
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InvalidName { what, name } = self;
        match *what {
            "key" if name.is_empty() => {
                f.write_str("the key of a job is empty; leave it out, or name what the job is about")
            }
            "key" => {
                write!(f, "the key of a job has {} bytes, and the limit is {MAX_KEY}; use a hash of it", name.len())
            }
            "object" if name.is_empty() => f.write_str("the name of an object is empty"),
            "object" => {
                let n = name.len();
                write!(f, "the name of an object has {n} bytes, and the limit is {MAX_OBJECT_NAME}; use a hash of it")
            }
            "job id" => write!(f, "{name:?} is not the id of a job; an id has the form GROUP/ORIGIN/NAME"),
            _ => write!(
                f,
                "{name:?} cannot be the name of a {what}: use 1 to {MAX_NAME} of the characters A-Z, a-z, 0-9, `_` and `-`"
            ),
        }
    }
}

impl std::error::Error for InvalidName {}

/// Checks the name of a group, a node or a prefix.
pub(crate) fn checked(what: &'static str, name: &str) -> Result<Arc<str>, InvalidName> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_plain) {
        return Err(InvalidName { what, name: name.to_owned() });
    }
    Ok(name.into())
}

/// Checks the name of an object.
pub(crate) fn check_object(name: &str) -> Result<(), InvalidName> {
    if name.is_empty() || name.len() > MAX_OBJECT_NAME {
        return Err(InvalidName { what: "object", name: name.to_owned() });
    }
    Ok(())
}

/// Escapes a text as one token of a subject: ASCII letters, digits, `_` and `-` stay, every other byte becomes `=` and two hexadecimal digits.
pub(crate) fn token(text: &str) -> String {
    let mut token = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => token.push(char::from(byte)),
            _ => {
                let _ = write!(token, "={byte:02X}");
            }
        }
    }
    token
}

/// Escapes the name of a function as one token. A server ends the connection of a client that sends a line of more than 4096 bytes, so the token of
/// a long name is its beginning and a hash of the whole name (FNV-1a, 64 bits). A header of the call has the whole name.
pub(crate) fn function_token(name: &str) -> String {
    let whole = token(name);
    if whole.len() <= MAX_FUNCTION {
        return whole;
    }
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{}~{hash:016x}", &whole[..MAX_FUNCTION])
}

/// Undoes [`token`]. `None` if a character is not ASCII, an escape is incomplete or not hexadecimal, or the bytes are not UTF-8. Other texts that
/// `token` never returns are accepted.
pub(crate) fn text_of(token: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token;
    while let Some(byte) = rest.bytes().next() {
        if byte == b'=' {
            let digits = rest.get(1..3).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[3..];
        } else {
            bytes.push(byte);
            rest = rest.get(1..)?;
        }
    }
    String::from_utf8(bytes).ok()
}

/// The id of a job: its group, and its key or a name that its submitter has made.
///
/// `Display` writes it as one text, which [`FromStr`] reads again, so that another program can [attach](crate::Cluster::attach)
/// to the job.
///
/// # Examples
///
/// ```
/// use cordial_nats::JobId;
///
/// let id = JobId::keyed("pictures", "invoice 7")?;
/// assert_eq!(id.to_string(), "pictures/key/invoice=207");
/// assert_eq!(id.to_string().parse(), Ok(id.clone()));
/// assert_eq!((id.group(), id.key().as_deref()), ("pictures", Some("invoice 7")));
/// # Ok::<_, cordial_nats::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JobId {
    group: Arc<str>,
    /// `key`, or the instance that submitted the job.
    origin: Arc<str>,
    /// The key, or the name that the submitter has made, as one token.
    name: Arc<str>,
}

impl JobId {
    /// Returns the id of the job with this key: see [`Submit::key`](crate::Submit::key).
    ///
    /// # Errors
    ///
    /// If the name of the group is not made of 1 to 64 ASCII letters, digits, `_` and `-`, or if the key is empty or has more than
    /// 200 bytes. The key may have any characters.
    pub fn keyed(group: &str, key: &str) -> Result<JobId, InvalidName> {
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(InvalidName { what: "key", name: key.to_owned() });
        }
        Ok(JobId { group: checked("group", group)?, origin: KEYED.into(), name: token(key).into() })
    }

    /// Returns the id of a job without a key. Both texts are single tokens.
    pub(crate) fn numbered(group: &Arc<str>, instance: &Arc<str>, number: u64) -> JobId {
        JobId { group: group.clone(), origin: instance.clone(), name: number.to_string().into() }
    }

    /// Returns the id in a subject of the form `PREFIX.WORD.GROUP.ORIGIN.NAME`, which more tokens may follow.
    pub(crate) fn of_subject(subject: &str) -> Option<JobId> {
        let mut tokens = subject.split('.').skip(2);
        Some(JobId { group: tokens.next()?.into(), origin: tokens.next()?.into(), name: tokens.next()?.into() })
    }

    /// Returns the name of the worker group.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Returns the key that the submitter chose, or `None` if it chose none.
    #[must_use]
    pub fn key(&self) -> Option<String> {
        if self.is_keyed() { text_of(&self.name) } else { None }
    }

    pub(crate) fn is_keyed(&self) -> bool {
        &*self.origin == KEYED
    }

    /// Returns the id as three tokens of a subject. The message id of the job begins with the same text.
    pub(crate) fn tokens(&self) -> String {
        format!("{}.{}.{}", self.group, self.origin, self.name)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.group, self.origin, self.name)
    }
}

impl FromStr for JobId {
    type Err = InvalidName;

    fn from_str(id: &str) -> Result<JobId, InvalidName> {
        let invalid = || InvalidName { what: "job id", name: id.to_owned() };
        let mut parts = id.split('/');
        let (Some(group), Some(origin), Some(name), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(invalid());
        };
        let (group, origin) = (checked("group", group)?, checked("origin", origin).map_err(|_| invalid())?);
        if text_of(name).is_none_or(|text| text.is_empty() || text.len() > MAX_KEY || token(&text) != name) {
            return Err(invalid());
        }
        Ok(JobId { group, origin, name: name.into() })
    }
}

/// The subjects and streams of one fleet. Fleets with different prefixes share a server without seeing each other.
#[derive(Clone, Debug)]
pub(crate) struct Subjects {
    prefix: Arc<str>,
}

impl Subjects {
    pub(crate) fn new(prefix: Arc<str>) -> Subjects {
        Subjects { prefix }
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns the subject of this kind for a job.
    pub(crate) fn of(&self, kind: &str, id: &JobId) -> String {
        format!("{}.{kind}.{}", self.prefix, id.tokens())
    }

    /// Returns the pattern of the subjects of this kind for all jobs of a group.
    pub(crate) fn of_group(&self, kind: &str, group: &str) -> String {
        format!("{}.{kind}.{group}.*.*", self.prefix)
    }

    /// Returns the pattern of the subjects of this kind for all jobs of all groups.
    pub(crate) fn of_all(&self, kind: &str) -> String {
        format!("{}.{kind}.*.*.*", self.prefix)
    }

    /// Returns the pattern of the subjects on which the results of one submitter's jobs without a key are published again.
    pub(crate) fn done_of(&self, instance: &str) -> String {
        format!("{}.done.*.{instance}.*", self.prefix)
    }

    pub(crate) fn attempt(&self, id: &JobId, attempt: u32) -> String {
        format!("{}.attempt.{}.{attempt}", self.prefix, id.tokens())
    }

    /// Returns the pattern of the subjects of a job's claims, records of attempts, and pieces.
    pub(crate) fn attempts(&self, id: &JobId) -> String {
        format!("{}.*", self.of("attempt", id))
    }

    /// Returns the subject of the claim of a run. [`attempts`](Subjects::attempts) matches it.
    pub(crate) fn claim(&self, id: &JobId, number: u32) -> String {
        format!("{}-claim", self.attempt(id, number))
    }

    /// Returns the subject of a renewal of a claim, from the subject of the claim. Renewals are counted from 1.
    pub(crate) fn claim_renewal(claim: &str, renewal: u64) -> String {
        format!("{claim}-{renewal}")
    }

    /// Returns the number of the run, and that of the renewal, in the subject of a claim or of its renewal; the latter is 0 for a claim.
    pub(crate) fn numbers_of_claim(subject: &str) -> Option<(u32, u64)> {
        let (number, renewal) = subject.rsplit('.').next()?.split_once("-claim")?;
        let renewal = if renewal.is_empty() { 0 } else { renewal.strip_prefix('-')?.parse().ok()? };
        Some((number.parse().ok()?, renewal))
    }

    pub(crate) fn call(&self, function: &str) -> String {
        format!("{}.call.{}", self.prefix, function_token(function))
    }

    pub(crate) fn nodes(&self) -> String {
        format!("{}.nodes", self.prefix)
    }

    pub(crate) fn node(&self, node: &str) -> String {
        format!("{}.node.{node}", self.prefix)
    }

    pub(crate) fn jobs_stream(&self, group: &str) -> String {
        format!("{}-jobs-{group}", self.prefix)
    }

    pub(crate) fn results_stream(&self) -> String {
        format!("{}-results", self.prefix)
    }

    pub(crate) fn dead_stream(&self) -> String {
        format!("{}-dead", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::{JobId, Subjects, checked, text_of, token};

    #[test]
    fn claims_and_their_renewals_are_distinct_from_records_and_pieces() {
        let claim = Subjects::new("p".into()).claim(&JobId::keyed("g", "a").unwrap(), 12);
        assert_eq!(Subjects::numbers_of_claim(&claim), Some((12, 0)));
        assert_eq!(Subjects::numbers_of_claim(&Subjects::claim_renewal(&claim, 3)), Some((12, 3)));
        for subject in [
            "p.attempt.g.key.a.12",
            "p.attempt.g.key.a.12-3",
            "p.attempt.g.key.a.12-claim-",
            "p.attempt.g.key.a.-claim",
        ] {
            assert_eq!(Subjects::numbers_of_claim(subject), None, "{subject}");
        }
    }

    #[test]
    fn a_key_of_any_characters_is_one_token() {
        for key in ["invoice-7", "a b", "*", ">", "a.b", "é/ü", "=", "\n", "=41"] {
            let token = token(key);
            assert!(!token.contains(['.', '*', '>', ' ', '/', '\n']), "{token}");
            assert_eq!(text_of(&token).as_deref(), Some(key));
        }
    }

    #[test]
    fn a_token_with_an_escape_that_is_no_number_has_no_text() {
        for token in ["=", "=4", "=zz", "=+1", "=-1", "=é"] {
            assert_eq!(text_of(token), None, "{token}");
        }
    }

    #[test]
    fn names_with_wildcards_dots_and_spaces_are_refused() {
        for name in ["", "a.b", "*", ">", "a b", "ä", "a\r\nPUB x", &"x".repeat(65)] {
            assert!(checked("group", name).is_err(), "{name:?}");
        }
        assert!(checked("group", "build-2_A").is_ok());
    }

    #[test]
    fn an_id_is_read_back_and_nothing_else_is() {
        let id = JobId::keyed("g", "a/b").unwrap();
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in
            ["", "g", "g/key", "g/key/", "g/key/a.b", "g/key/a=2", "g/key/=zz", "g/*/a", "g/key/a/b", "g/key/=41"]
        {
            assert!(text.parse::<JobId>().is_err(), "{text:?}");
        }
    }
}
