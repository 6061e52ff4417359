import { assert, describe, it } from "@effect/vitest"
import { tracedCalls } from "../../bench/host64/IdleFigures.ts"

describe("tracedCalls", () => {
  it("tells programs that were started and files that were written from everything else", () => {
    const trace = [
      "12 execve(\"/usr/sbin/ip\", [\"ip\", \"-j\"], 0x7ffc /* 4 vars */) = 0",
      "12 execve(\"/usr/local/bin/nft\", [\"nft\"], 0x7ffc /* 4 vars */) = -1 ENOENT (No such file or directory)",
      "12 openat(AT_FDCWD, \"/etc/passwd\", O_RDONLY|O_CLOEXEC) = 3",
      "13 openat(AT_FDCWD, \"/run/patela/agent.json.new\", O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, 0600) = 17",
      "13 rename(\"/run/patela/agent.json.new\", \"/run/patela/agent.json\") = 0",
      "13 mkdir(\"/run/patela\", 0777) = -1 EEXIST (File exists)",
      "14 openat(AT_FDCWD, \"/dev/null\", O_RDWR|O_CLOEXEC) = 18",
      "14 openat(AT_FDCWD, \"/proc/self/oom_score_adj\", O_WRONLY) = 18",
      "14 --- SIGCHLD {si_signo=SIGCHLD, si_pid=12} ---",
      "12 +++ exited with 0 +++"
    ].join("\n")
    const { started, written } = tracedCalls(trace)
    assert.deepStrictEqual(started, ["/usr/sbin/ip"])
    assert.deepStrictEqual(written.map((call) => call.split("(")[0]), ["openat", "rename"])
  })

  it("puts the halves of an interrupted call together, by process", () => {
    const trace = [
      "12 openat(AT_FDCWD, \"/etc/hosts\", O_WRONLY <unfinished ...>",
      "13 execve(\"/usr/sbin/nft\", [\"nft\"], 0x7ffc /* 4 vars */ <unfinished ...>",
      "12 <... openat resumed>) = 5",
      "13 <... execve resumed>) = 0"
    ].join("\n")
    const { started, written } = tracedCalls(trace)
    assert.deepStrictEqual(started, ["/usr/sbin/nft"])
    assert.strictEqual(written.length, 1)
  })
})
