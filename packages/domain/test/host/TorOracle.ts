import { execFile } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** What the installed tor said of a torrc: exit code, and both outputs. */
export interface TorAnswer {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** The installed tor, asked in a folder of its own what torrcs mean. It is never started as a relay. */
export class TorOracle {
  private readonly folder = mkdtempSync(join(tmpdir(), "patela-torrc-"))
  private next = 0

  private ask(args: ReadonlyArray<string>): Promise<TorAnswer> {
    return new Promise((resolve, reject) => {
      execFile(
        "tor",
        args,
        // Options that name a file without a folder have tor write it where it is.
        { cwd: this.folder, env: { ...process.env, HOME: this.folder }, timeout: 30_000 },
        (error, stdout, stderr) => {
          const code = error === null ? 0 : error.code
          if (typeof code === "number") resolve({ code, stdout, stderr })
          else reject(error ?? new Error("tor ended without an exit code"))
        }
      )
    })
  }

  private files(defaults: string, torrc: string): ReadonlyArray<string> {
    const stem = join(this.folder, String(this.next++))
    writeFileSync(`${stem}.defaults`, defaults)
    writeFileSync(`${stem}.torrc`, torrc)
    return ["--defaults-torrc", `${stem}.defaults`, "-f", `${stem}.torrc`]
  }

  /**
   * Every option with its value once the torrc is laid over the defaults, and the arguments over both: an option and its
   * value each, or `/Option` alone. Undefined where tor refuses them.
   */
  async meaning(torrc: string, defaults = "", args: ReadonlyArray<string> = []): Promise<string | undefined> {
    const { code, stdout } = await this.ask([
      ...this.files(defaults, torrc),
      "--dump-config",
      "full",
      "--hush",
      ...args
    ])
    return code === 0 ? stdout : undefined
  }

  /** tor's verdict on a torrc, its warnings in the standard output. */
  verify(torrc: string): Promise<TorAnswer> {
    return this.ask([...this.files("", torrc), "--DataDirectory", join(this.folder, "data"), "--verify-config"])
  }

  async options(): Promise<ReadonlyArray<string>> {
    return (await this.ask(["--list-torrc-options"])).stdout.split("\n").filter((name) => name !== "")
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
