import { hostname } from 'node:os'
import { type Static, Type } from '../schema-types.ts'
import { INSTANCE_PATTERN } from '../segments/format.ts'
import type { Ms } from '../time.ts'
import { type Bytes, DURATION, readBytes, readDurationMs, SIZE } from '../units.ts'

/** What `charge/` needs, from the YAML key `metering`. */
export interface ChargeOptions {
  /** Absolute. */
  readonly dir: string
  readonly instance: string
  readonly onFailure: 'continue' | 'reject'
  readonly segmentBytes: Bytes
  readonly segmentMs: Ms
  readonly onAbort: 'estimate' | 'last_reported'
  readonly onMissing: 'estimate' | 'free'
}

/** Parts of the YAML key `metering`. */
export const MeteringSchemaParts = {
  dir: Type.String({
    minLength: 1,
    description: 'The folder that usage is written to; it is made when it is missing. Gates may share it.'
  }),
  instance: Type.Optional(
    Type.String({
      pattern: INSTANCE_PATTERN.source,
      expected: 'a name of up to 64 letters, digits and _ . -',
      description: "What this gate is called in the ledger; the host's name unless given."
    })
  ),
  on_failure: Type.Enum(['continue', 'reject'], {
    default: 'continue',
    description:
      'When usage cannot be written: `continue` serves, holds up to 32 MiB of it and counts what is lost; `reject` answers 503 until it can be written again.'
  }),
  segment: Type.Object(
    {
      size: Type.String({ ...SIZE, default: '64MiB', description: 'A file is sealed when it is so large.' }),
      every: Type.String({ ...DURATION, default: '1h', description: 'A file is sealed when it is so old.' })
    },
    { additionalProperties: false, default: {}, description: 'When the next file of the ledger begins.' }
  ),
  on_abort: Type.Enum(['estimate', 'last_reported'], {
    default: 'estimate',
    description:
      "What the ledger has of calls that ended early, where the engine has not reported all: `estimate` adds the gateway's estimate; `last_reported` keeps to the engine's numbers. Limits and queues always go by the estimate: nobody pays less by leaving."
  }),
  on_missing: Type.Enum(['estimate', 'free'], {
    default: 'estimate',
    description:
      'The same for whole answers without usage; `free` writes nothing. Limits and queues go by the estimate.'
  })
}

const Metering = Type.Object(MeteringSchemaParts)

/** Reads the key `metering`. @param resolve makes a path absolute */
export function chargeOptions(
  yaml: Static<typeof Metering> | undefined,
  resolve: (path: string) => string
): ChargeOptions | null {
  if (yaml === undefined) return null
  return {
    dir: resolve(yaml.dir),
    instance: yaml.instance ?? instanceOf(hostname()),
    onFailure: yaml.on_failure as ChargeOptions['onFailure'],
    segmentBytes: readBytes(yaml.segment.size),
    segmentMs: readDurationMs(yaml.segment.every),
    onAbort: yaml.on_abort as ChargeOptions['onAbort'],
    onMissing: yaml.on_missing as ChargeOptions['onMissing']
  }
}

function instanceOf(host: string): string {
  return host.replace(/[^A-Za-z0-9_.-]/g, '_').slice(0, 64) || 'gate'
}
