import type { SinkOptions } from '../../src/export/options.ts'
import type { ShipperEvents } from '../../src/export/shipper.ts'

/** A sink of `metering.sinks`, with its defaults. */
export function httpSink(url: string, more: Partial<SinkOptions> = {}): SinkOptions {
  return {
    name: 'lake',
    by: 'gate',
    batchRecords: 500,
    batchBytes: 1024 * 1024,
    timeoutMs: 5_000,
    to: { kind: 'http', url, token: null, ca: null },
    ...more
  }
}

/** Everything that a shipper tells, as texts. */
export function tellTo(told: string[]): ShipperEvents {
  return {
    standby: () => told.push('standby'),
    begun: () => told.push('begun'),
    failed: message => told.push(`failed: ${message}`),
    taken: () => told.push('taken'),
    pending: oldestMs => told.push(oldestMs === null ? 'nothing' : 'pending'),
    shipped: (count, dead) => told.push(`shipped ${count}, ${dead} dead`),
    trouble: message => told.push(`trouble: ${message}`)
  }
}

/** A file that has a ledger with sinks, and is otherwise as small as can be. */
export function fileWithSinks(dir: string, sinks: string): string {
  return `issuers: [{ issuer: "https://idp.example.com", audience: inference }]
pools: { a: { engine: vllm, targets: ["http://127.0.0.1:9"], models: [m] } }
teams: { team-a: { pool: a } }
metering: { dir: ${dir}, sinks: ${sinks} }
`
}
