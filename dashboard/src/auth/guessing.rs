//! Who guesses: how much gets through, and what it says about accounts.

use std::sync::atomic::AtomicI64;

use super::*;

const PASSWORD: &str = "một mật khẩu riêng";

fn open(folder: &tempfile::TempDir) -> (Arc<Auth>, Arc<AtomicI64>) {
    let now = Arc::new(AtomicI64::new(1_761_588_000_000));
    let held = Arc::clone(&now);
    let clock: Clock = Arc::new(move || Timestamp(held.load(Relaxed)));
    let auth = Auth::open_with_clock(&folder.path().join("users.sqlite"), clock).expect("opens");
    (Arc::new(auth), now)
}

fn attempt(user: &str, password: &str, from: IpAddr) -> Attempt {
    Attempt { user: user.into(), password: password.into(), code: None, from }
}

/// The n-th address of who guesses.
fn theirs(n: usize) -> IpAddr {
    IpAddr::from([203, 0, 113, n as u8])
}

/// Guesses so often from 100 addresses, 1,000 a minute; what got through in any minute, by the
/// times of those that did.
fn guess(auth: &Auth, now: &AtomicI64, account: impl Fn(usize) -> String) -> Vec<(i64, String)> {
    let mut through = Vec::new();
    for n in 0..10_000 {
        now.fetch_add(60, Relaxed);
        let user = account(n);
        if auth.admit(&user, theirs(n % 100)).is_ok() {
            through.push((now.load(Relaxed), user));
        }
    }
    through
}

fn most_in_a_minute(times: &[i64]) -> usize {
    let within =
        |from: &i64| times.iter().filter(|t| (*from..from + MINUTE_MS).contains(t)).count();
    times.iter().map(within).max().unwrap_or(0)
}

#[tokio::test]
async fn ten_thousand_guesses_on_one_account_get_five_a_minute_and_its_owner_signs_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let (auth, now) = open(&folder);
    auth.add_user("an", PASSWORD, Role::Operator).expect("adds");
    let home = IpAddr::from([10, 0, 0, 7]);
    auth.sign_in(attempt("an", PASSWORD, home)).await.expect("signs in");
    let hashed = auth.hashed.load(Relaxed);
    let through = guess(&auth, &now, |_| "an".into());
    let times: Vec<i64> = through.iter().map(|(t, _)| *t).collect();
    println!(
        "10,000 guesses on one account in 10 min: {} hashes, at most {} in a minute",
        times.len(),
        most_in_a_minute(&times)
    );
    assert_eq!(most_in_a_minute(&times), 5);
    assert_eq!(auth.hashed.load(Relaxed), hashed, "what is refused costs no hash");
    // In the thick of it, from where they have been, and on the way.
    auth.sign_in(attempt("an", PASSWORD, home)).await.expect("the owner is not slowed");
    let away = auth.sign_in(attempt("an", PASSWORD, IpAddr::from([10, 9, 9, 9]))).await;
    assert!(matches!(away, Err(SignInError::TooMany { retry_after_s: 1..=60 })), "{away:?}");
    now.fetch_add(MINUTE_MS, Relaxed);
    auth.sign_in(attempt("an", PASSWORD, IpAddr::from([10, 9, 9, 9])))
        .await
        .expect("a minute later");
}

#[tokio::test]
async fn ten_thousand_guesses_on_many_accounts_are_bounded_together() {
    let folder = tempfile::tempdir().expect("a folder");
    let (auth, now) = open(&folder);
    auth.add_user("an", PASSWORD, Role::Operator).expect("adds");
    let home = IpAddr::from([10, 0, 0, 7]);
    auth.sign_in(attempt("an", PASSWORD, home)).await.expect("signs in");
    let through = guess(&auth, &now, |n| format!("user{}", n % 1_000));
    let times: Vec<i64> = through.iter().map(|(t, _)| *t).collect();
    let most = most_in_a_minute(&times);
    println!(
        "10,000 guesses on 1,000 accounts in 10 min: {} hashes, at most {most} in a minute: \
        {:.1} s of a core at 35 ms",
        times.len(),
        most as f64 * 0.035
    );
    assert_eq!(most, GLOBAL_RATE.most);
    for account in 0..1_000 {
        let user = format!("user{account}");
        let own: Vec<i64> = through.iter().filter(|(_, u)| *u == user).map(|(t, _)| *t).collect();
        assert!(most_in_a_minute(&own) <= 5);
    }
    auth.sign_in(attempt("an", PASSWORD, home)).await.expect("the owner is not slowed");
}

/// Welch's t of two samples.
fn welch(a: &[f64], b: &[f64]) -> f64 {
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let spread = |x: &[f64]| {
        let m = mean(x);
        x.iter().map(|v| (v - m).powi(2)).sum::<f64>() / (x.len() as f64 - 1.0) / x.len() as f64
    };
    (mean(a) - mean(b)) / (spread(a) + spread(b)).sqrt()
}

#[test]
fn known_unknown_and_closed_accounts_cost_one_hash_each() {
    let folder = tempfile::tempdir().expect("a folder");
    let (auth, _) = open(&folder);
    auth.add_user("an", PASSWORD, Role::Operator).expect("adds");
    auth.add_user("closed", PASSWORD, Role::Operator).expect("adds");
    auth.disable("closed").expect("closes");
    let n: usize = std::env::var("IOC_TIMING_N").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    let long = "x".repeat(1_000);
    let cases = [
        ("an", "wrong password"),
        ("nobody", "wrong password"),
        ("closed", PASSWORD),
        ("an", &long),
        ("closed", "wrong password"),
    ];
    let mut took: [Vec<f64>; 5] = Default::default();
    // In turn, each first as often as last, so that what else the machine does meets all alike.
    for round in 0..n {
        for turn in 0..cases.len() {
            let at = (round + turn) % cases.len();
            let ((user, password), took) = (cases[at], &mut took[at]);
            let before = auth.hashed.load(Relaxed);
            let start = std::time::Instant::now();
            let refused = auth.let_in(&attempt(user, password, theirs(1)), true);
            took.push(start.elapsed().as_secs_f64() * 1e3);
            assert!(matches!(refused, Err(SignInError::Wrong)), "{refused:?}");
            assert_eq!(auth.hashed.load(Relaxed) - before, 1, "{user}: exactly one hash");
        }
    }
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    for (name, other) in [
        ("unknown", &took[1]),
        ("closed", &took[2]),
        ("too long", &took[3]),
        ("closed and wrong", &took[4]),
    ] {
        println!(
            "n = {n}: known {:.3} ms, {name} {:.3} ms, Welch's t = {:.2}",
            mean(&took[0]),
            mean(other),
            welch(&took[0], other)
        );
    }
}
