#!/usr/bin/env -S node --max-semi-space-size=8
import { keepCompiledCode } from "./commands/keepCompiledCode.ts"

keepCompiledCode()
// Imported only now: what is loaded before the cache is on is compiled again each time.
await import("./commands/main.ts")
