//! The warnings: a rule for each kind of problem.
//!
//! | kind | rule |
//! |---|---|
//! | stuck poll | a poll has lasted for 0.5 s; critical from 5 s on |
//! | abandoned | a process was killed, and its poll does not return |
//! | starvation | for 5 s, the workers are busy for more than 95 % of the time and more than 100 tasks for each wait |
//! | imbalance | for 5 s, tasks wait while one worker is busy and another is not |
//! | wake storm | in 3 readings in a row, a process was polled 5000 times a second or more, half of that or more because it has woken itself |
//! | leak | 200 or more live processes of one place, 1.5 times as many as about 2 minutes ago, and more in nearly every count |
//! | mailbox | full with messages that wait for room; 80 % full; or longer in each of 6 readings, and 100 messages or more |
//! | restart intensity | a supervisor has made two thirds of the restarts that it may make in its window |
//! | crash loop | 5 or more crashes of one place within a minute |

mod balance;
mod crash_loop;
mod leak;
mod long_poll;
mod mailbox;
mod restarts;
mod wake_storm;
mod warner;
mod warning_of;

pub(crate) use warner::Warner;

#[cfg(test)]
mod tests;
