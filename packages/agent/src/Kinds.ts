import { Accounts } from "@patela/reconcilers/accounts/Accounts"
import { Addresses } from "@patela/reconcilers/addresses/Addresses"
import { Directories } from "@patela/reconcilers/directories/Directories"
import { identityKind } from "@patela/reconcilers/identity/IdentityKind"
import { keyStoreKind } from "@patela/reconcilers/identity/KeyStoreKind"
import { Resolver } from "@patela/reconcilers/resolver/Resolver"
import { Routing } from "@patela/reconcilers/routing/Routing"
import { SourceNat } from "@patela/reconcilers/source-nat/SourceNat"
import { TorrcFiles } from "@patela/reconcilers/torrc/TorrcFiles"
import { unitsKind } from "@patela/reconcilers/units/UnitsKind"

const beforeNetwork = [Accounts, Directories, identityKind, Resolver, TorrcFiles] as const
const network = [Addresses, Routing, SourceNat] as const
const afterNetwork = [unitsKind, keyStoreKind] as const

/**
 * Every kind, in the order in which things are made; they are removed in the reverse. Without the network kinds,
 * whatever needs an address or a route goes ahead without: the host's own network is the operator's then.
 */
export const kindsFor = ({ skipNet }: { readonly skipNet: boolean }) =>
  skipNet ? [...beforeNetwork, ...afterNetwork] : [...beforeNetwork, ...network, ...afterNetwork]
