import { Effect } from "effect"
import { run, runOk } from "./Command.ts"
import type { Namespace } from "./Namespace.ts"

export interface VethEnds {
  readonly from: { readonly namespace: Namespace; readonly link: string }
  /** The other end: in a namespace, or in that of a process (a container's first). */
  readonly to: { readonly namespace: Namespace | number; readonly link: string }
}

export const Veth = {
  /** A cable between two namespaces. Both ends are born in them: none is ever seen in the machine's own namespace. */
  make: ({ from, to }: VethEnds) =>
    Effect.acquireRelease(
      runOk([
        "ip",
        "-n",
        from.namespace.name,
        "link",
        "add",
        "name",
        from.link,
        "type",
        "veth",
        "peer",
        "name",
        to.link,
        "netns",
        typeof to.namespace === "number" ? String(to.namespace) : to.namespace.name
      ]),
      // The kernel has removed it already when either namespace is gone.
      () => Effect.ignore(run(["ip", "-n", from.namespace.name, "link", "delete", from.link]))
    ).pipe(Effect.asVoid)
}
