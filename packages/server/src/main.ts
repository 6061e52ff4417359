#!/usr/bin/env -S MALLOC_MMAP_THRESHOLD_=32768 MALLOC_TRIM_THRESHOLD_=131072 MALLOC_TOP_PAD_=65536 node --max-semi-space-size=8 --heap-growing-percent=50
import { keepCompiledCode } from "./commands/keepCompiledCode.ts"

keepCompiledCode()
// Imported only now: what is loaded before the cache is on is compiled again each time.
await import("./commands/main.ts")
