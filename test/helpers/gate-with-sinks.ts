import { writeFileSync } from 'node:fs'
import { type GateProcess, runGate } from './gate-process.ts'
import { usagesIn } from './ledger-files.ts'
import { PASSWORD } from './postgres.ts'
import { readScrape, type Scrape } from './scrape.ts'
import type { Scene, scene } from './two-pools.ts'

/** What a record is known by. */
export const idOf = ({ source, id }: { readonly source: string; readonly id: string }) => `${source} ${id}`

/** Every usage of a ledger, in the order of these texts. */
export const idsIn = (dir: string) => usagesIn(dir).map(idOf).sort()

/** The secrets of sinks, as the file names them. */
export const SECRETS = { PG_SECRET: PASSWORD, LAKE: 'secret-77' }

/** A gate with sinks, once it serves. */
export async function openWith(t: Parameters<typeof scene>[0], s: Scene, sinks: string): Promise<GateProcess> {
  writeFileSync(s.file, s.text('a', `metering: { dir: ${s.dir}/usage, sinks: ${sinks} }`))
  const gate = runGate(t, ['serve', '--config', s.file], SECRETS)
  await gate.says('the gate is open')
  await gate.says('keys are in use')
  return gate
}

/** What it tells Prometheus. */
export async function scrapeOf(s: Scene): Promise<Scrape> {
  return readScrape(await (await fetch(`${s.adminUrl}/metrics`)).text())
}
