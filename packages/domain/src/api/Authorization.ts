import { Context } from "effect"
import { HttpApiMiddleware, HttpApiSecurity } from "effect/http-api"
import type { NodeId } from "../node/NodeId.ts"
import { BootNotAllowed, TokenRefused } from "./Problems.ts"

/** The node whose token came with the request, checked. */
export class CurrentNode extends Context.Service<CurrentNode, { readonly id: NodeId }>()(
  "@patela/domain/api/CurrentNode"
) {}

/** Every private request carries the Biscuit as a bearer token (RFC 6750, section 2.1). */
export class Authorization extends HttpApiMiddleware.Service<Authorization, { provides: CurrentNode }>()(
  "@patela/domain/api/Authorization",
  { requiredForClient: true, security: { bearer: HttpApiSecurity.bearer }, error: [TokenRefused, BootNotAllowed] }
) {}
