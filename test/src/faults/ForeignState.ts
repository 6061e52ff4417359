import { Effect } from "effect"
import { fault } from "../mission/Mission.ts"
import { links } from "../rig/Addresses.ts"
import type { NodeContainer } from "../rig/NodeContainer.ts"
import { CHEESES } from "./faultConfig.ts"

/** Things beside Patela's, as near to them as can be, that nobody but their owner may touch. */
const INSTALL = `set -e
ip address add 198.51.100.250/32 dev ${links.management}
ip link set ${links.relay} up
ip address add 203.0.113.77/32 dev ${links.relay}
ip address add 2001:db8:77::77/128 dev ${links.relay} nodad
ip route add unreachable 203.0.113.128/28 table 99
ip rule add priority 1234 from 203.0.113.77 lookup 99
useradd --system --no-create-home _tor-foreign
mkdir -p /etc/patela /etc/tor/instances/foreign /var/lib/tor-instances/foreign
echo 'ContactInfo somebody else' > /etc/tor/instances/foreign/torrc
echo keep > /etc/patela/foreign.conf
echo keep > /var/lib/tor-instances/foreign/state
`

const own = CHEESES.join("|")

/** Everything but what is Patela's, each thing by its content, owner and rights. */
const LOOK = `set -e
nft -s list ruleset | awk '/^table /{own = ($2 == "inet" && $3 == "patela")} !own'
ip -o address show dev ${links.management} | grep -v fe80:
ip -o address show dev ${links.relay} | grep -vE ' (198\\.51\\.100\\.(1[0-9])|2001:db8:8020::1[0-9a-f])/|fe80:' || true
ip route show table main
ip -6 route show table main | grep -v '^fe80'
ip route show table 99
ip rule | grep -v 8020
ip -6 rule | grep -v 8020
grep -hvE '^_tor-(${own}):' /etc/passwd /etc/group /etc/shadow /etc/gshadow
find /etc -type f ! -name .fill ! -name '*-' ! -name '.pwd.lock' ! -path /etc/patela/resolv.conf \\
  | grep -vE '^/etc/tor/instances/(${own})/|^/etc/(passwd|group|shadow|gshadow)$' | sort \\
  | xargs -d '\\n' stat --format '%n %a %u:%g %s %i %y'
find /etc /var/lib -maxdepth 3 -type d | grep -vE '/(tor/instances|tor-instances)(/(${own}))?$' \\
  | grep -vE '/(systemd|private|tor-instances/(${own}).*|tor/instances/(${own}).*)$' | sort \\
  | xargs -d '\\n' stat --format '%n %a %u:%g'
cat /etc/tor/instances/foreign/torrc /etc/patela/foreign.conf /var/lib/tor-instances/foreign/state
`

export const ForeignState = {
  /** To be called after every boot, before the agent runs. */
  install: (node: NodeContainer) => fault(node.execOk(["sh", "-c", INSTALL])),

  /** Equal texts: nothing foreign was touched. */
  look: (node: NodeContainer) => fault(node.execOk(["sh", "-c", LOOK])).pipe(Effect.map((text) => text.split("\n")))
}
