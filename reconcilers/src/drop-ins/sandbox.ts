/**
 * What a relay cannot do, besides what Debian's tor@.service takes from it already (a read-only system, no devices, no
 * home directories, no new privileges, four capabilities). Each line was seen to let tor start as root, become the
 * relay's user, open its ports, write its state and live through a reload.
 *
 * Left out on purpose:
 * - `UMask=0077`: the unit writes /run/tor-instances/NAME.defaults as root, tor reads it as the relay's user at a reload,
 *   and ends when it cannot.
 * - `ProcSubset=pid`: tor reads /proc/meminfo.
 * - `SystemCallFilter=~@resources`: tor raises its own limit of open files.
 */
export const SANDBOX: ReadonlyArray<string> = [
  "ProtectKernelTunables=yes",
  "ProtectKernelModules=yes",
  "ProtectKernelLogs=yes",
  "ProtectControlGroups=yes",
  "ProtectClock=yes",
  "ProtectHostname=yes",
  // Other users' processes, and so other relays, are not to be seen in /proc.
  "ProtectProc=invisible",
  "PrivateIPC=yes",
  "KeyringMode=private",
  "RestrictNamespaces=yes",
  "RestrictRealtime=yes",
  "RestrictSUIDSGID=yes",
  "LockPersonality=yes",
  "MemoryDenyWriteExecute=yes",
  "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
  "SystemCallArchitectures=native",
  "SystemCallFilter=@system-service",
  // A call that is refused fails, as where the kernel has none; it does not end the relay.
  "SystemCallErrorNumber=EPERM"
]
