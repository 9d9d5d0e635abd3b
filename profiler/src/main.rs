//! w
mod sensor;
#[tokio::main]
async fn main(){
    let (p, mut r) = sensor::Programs::load(&sensor::SensorOptions::default()).unwrap_or_else(|e| panic!("{e}"));
    println!("{:?}", p.hooks());
    let mut p = p;
    let id = std::fs::metadata(std::env::args().nth(1).unwrap()).map(|m| std::os::unix::fs::MetadataExt::ino(&m)).unwrap();
    p.follow_cgroup(id, 1).unwrap(); p.set_phase(1).unwrap();
    let s = sensor::symbols::Symbols::of_kernel();
    let mut caps = vec![];
    for _ in 0..5 { std::thread::sleep(std::time::Duration::from_secs(1)); r.drain(&mut |rec| match rec {
        sensor::decode::Record::Write(w) => println!("{} op {} errno {} base {} mount {} str {:?} second {:?} flags {:x} mode {:o}", w.head.tgid, w.head.key.op, w.head.key.errno, String::from_utf8_lossy(&w.name.base()), String::from_utf8_lossy(&w.name.mount_point()), String::from_utf8_lossy(w.name.string), w.second.as_ref().map(|s| (String::from_utf8_lossy(&s.base()).into_owned(), String::from_utf8_lossy(s.string).into_owned())), w.head.call_flags, w.head.mode),
        sensor::decode::Record::Capability(c) => { println!("cap {:?}", c); caps.push(c); }
    }); }
    for c in caps { println!("{:?} {:?}", c.key, p.stack(c.key.stack).iter().map(|a| s.name_of(*a)).collect::<Vec<_>>()); }
    println!("{:?} {}", p.losses(), p.writes().unwrap().len());
}
