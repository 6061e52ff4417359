import { closeSync, openSync, readSync } from "node:fs"

/**
 * Reads the same kernel settings over and over for some microseconds each, for it keeps them open. A setting that goes
 * with its link answers an open file with ENOENT (proc_sys_call_handler in fs/proc/proc_sysctl.c), and is opened anew.
 */
export class SettingProbe implements Disposable {
  readonly #root: string
  readonly #opened = new Map<string, number>()
  /** Longer than any setting that is read here, but a list of ports: of that one, a change beyond it goes unnoticed. */
  readonly #buffer = Buffer.alloc(4096)

  constructor(root: string) {
    this.#root = root
  }

  /** A setting's text as the kernel writes it, without the newline at its end; undefined where it cannot be read. */
  textAt(path: string): string | undefined {
    try {
      return this.#read(this.#opened.get(path) ?? this.#open(path))
    } catch {
      this.#close(path)
    }
    try {
      return this.#read(this.#open(path))
    } catch {
      this.#close(path)
      return undefined
    }
  }

  [Symbol.dispose](): void {
    for (const path of this.#opened.keys()) this.#close(path)
  }

  #open(path: string): number {
    const fd = openSync(`${this.#root}/${path}`, "r")
    this.#opened.set(path, fd)
    return fd
  }

  #read(fd: number): string {
    const bytes = readSync(fd, this.#buffer, 0, this.#buffer.length, 0)
    return this.#buffer.toString("utf8", 0, bytes).replace(/\n$/, "")
  }

  #close(path: string): void {
    const fd = this.#opened.get(path)
    this.#opened.delete(path)
    if (fd !== undefined) closeSync(fd)
  }
}
