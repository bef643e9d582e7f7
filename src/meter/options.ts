import type { Engine } from '../engines/table.ts'
import { USAGE_HABITS, USAGE_MODES, type UsageMode } from '../engines/usage.ts'
import { Type } from '../schema-types.ts'

/** The key `pools.*.usage`. */
export const UsageSchema = Type.Optional(
  Type.Enum([...USAGE_MODES], {
    description:
      'How usage is learned. `exact`: streams are asked for it in every chunk. `final`: at their end. `native`: what comes by itself is read. `off`: nothing is read. Callers see what they asked for themselves. Unless given: `exact` for vllm and sglang, `final` for lmdeploy and openai, `native` for swift.'
  })
)

/** Reads the key `pools.*.usage`. */
export function usageMode(engine: Engine, yaml: UsageMode | undefined): UsageMode {
  return yaml ?? USAGE_HABITS[engine].mode
}
