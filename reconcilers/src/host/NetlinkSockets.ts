import * as fs from "node:fs/promises"

/**
 * Whether a process listens to events of the kernel: it has a netlink socket that is a member of a group.
 *
 * /proc/PID/net/netlink (net/netlink/af_netlink.c) lists the sockets of the process's network namespace, with the groups
 * as a mask in hexadecimal in the fourth column and the inode in the last; /proc/PID/fd says which are its own (proc(5)).
 */
export const listensToKernel = async (pid: number): Promise<boolean> => {
  const own = new Set(
    await Promise.all((await fs.readdir(`/proc/${pid}/fd`)).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`)))
  )
  const sockets = await fs.readFile(`/proc/${pid}/net/netlink`, "utf8")
  return sockets.split("\n").some((line) => {
    const columns = line.trim().split(/\s+/)
    return /^[0-9a-f]*[1-9a-f]/.test(columns[3] ?? "") && own.has(`socket:[${columns.at(-1)}]`)
  })
}

/** Descriptors come and go while they are listed. */
const linkOf = (path: string): Promise<string> => fs.readlink(path).catch(() => "")
