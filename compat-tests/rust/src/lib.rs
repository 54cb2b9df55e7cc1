//! What the scenarios share: a broker to talk to, topics of their own, and waiting by condition.
//! The environment is the one of ../support/README.md.
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;

/// The limit for anything that a healthy broker does at once.
pub const SOON: Duration = Duration::from_secs(20);

/// A broker as a child process, which ends when this is dropped, or with this process: its standard input ends then.
pub struct Served {
    pub bootstrap: String,
    process: Child,
}

impl Served {
    /// Starts one at `port` (0: any), on the directory `data` or in memory.
    pub fn start(port: u16, data: Option<&std::path::Path>) -> Served {
        let python = std::env::var("KWIRE_PYTHON").unwrap_or_else(|_| "python3".into());
        let mut command = Command::new(python);
        command.args([
            "-m",
            "kwire",
            "serve",
            "--exit-with-stdin",
            "--port",
            &port.to_string(),
        ]);
        match data {
            Some(folder) => command.arg("--data").arg(folder),
            None => command.arg("--memory"),
        };
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("no broker");
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        for line in lines.map_while(Result::ok) {
            if let Some((_, address)) = line.split_once("ready: ") {
                let bootstrap = address.split_whitespace().next().unwrap().to_string();
                return Served { bootstrap, process };
            }
        }
        panic!("the broker ended without a word of being ready");
    }

    pub fn port(&self) -> u16 {
        self.bootstrap.rsplit_once(':').unwrap().1.parse().unwrap()
    }

    /// The end that no process can prepare for.
    pub fn kill(mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// The broker of all scenarios: the one at KWIRE_TEST_BOOTSTRAP, or a child that ends with this process.
pub fn bootstrap() -> &'static str {
    static ADDRESS: OnceLock<String> = OnceLock::new();
    ADDRESS.get_or_init(|| {
        std::env::var("KWIRE_TEST_BOOTSTRAP").unwrap_or_else(|_| {
            let served = Box::leak(Box::new(Served::start(0, None))); // its pipe ends with this process
            served.bootstrap.clone()
        })
    })
}

/// A name that no other scenario and no other run uses.
pub fn unique(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!(
        "{prefix}-{:x}-{}-{count}",
        now.as_millis(),
        std::process::id()
    )
}

pub fn admin(bootstrap: &str) -> AdminClient<DefaultClientContext> {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .create()
        .expect("an admin client")
}

pub fn new_topic_at(bootstrap: &str, partitions: i32) -> String {
    let name = unique("rust");
    let asked = [NewTopic::new(&name, partitions, TopicReplication::Fixed(1))];
    let options = AdminOptions::new().operation_timeout(Some(SOON));
    let made = futures_executor::block_on(admin(bootstrap).create_topics(&asked, &options))
        .expect("an answer");
    assert_eq!(made, vec![Ok(name.clone())]);
    name
}

pub fn new_topic(partitions: i32) -> String {
    new_topic_at(bootstrap(), partitions)
}

/// Asks until there is an answer, or fails after `SOON`. What it asks brings its own wait.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {SOON:?}: {what}");
    }
}
