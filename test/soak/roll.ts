import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Phase, reload, replaceGate, rollEngines } from './phases.ts'
import { roll } from './rolling.ts'

const HELP = `Usage: npm run roll -- [--streams N] [--only PHASES]

Keeps streams open, each followed by another, while everything is rolled: each of three engines is killed and started again,
then the configuration is changed and loaded again fifty times, then the gate is replaced by a second process on the same
port. Nobody may lose a request but those whose engine was killed in the middle of their stream; exit code 1 when somebody
did, or when something did not happen as it should.

  --streams N     streams that are open at any time (300)
  --only PHASES   some of engines,reload,replace
`
const PHASES: Readonly<Record<string, Phase>> = {
  engines: rollEngines(3),
  reload: reload(50),
  replace: replaceGate()
}

const say = (text: string) => process.stdout.write(`${text}\n`)

async function run(streams: number, phases: readonly Phase[]): Promise<boolean> {
  const dir = mkdtempSync(join(tmpdir(), 'tollgate-roll-'))
  const ends: (() => unknown)[] = [() => rmSync(dir, { recursive: true, force: true })]
  try {
    const t = { teardown: (end: () => unknown) => ends.unshift(end) }
    const startedAtMs = performance.now()
    const result = await roll(t as never, { dir, streams, streamMs: 3_000, acceptMs: 1_000, phases, say })
    const { whole, excused, retried, lost, acrossReloads, acrossHandover, byGate } = result
    say(`after ${((performance.now() - startedAtMs) / 1_000).toFixed(0)} s, with ${streams} streams open at any time:`)
    if (acrossReloads.length > 0) {
      const [least, most] = [Math.min(...acrossReloads), Math.max(...acrossReloads)]
      say(`  ${acrossReloads.length} reloads were followed; ${least} to ${most} streams were open across each`)
    }
    if (byGate.length > 1) {
      say(
        `  the gates had ${byGate.join(' and ')} streams; ${acrossHandover} of the first outlived its last call, whole`
      )
    }
    say(`  ${whole} streams were whole, ${excused} were told that their engine had died`)
    say(`  ${retried} connections were reset before an answer while the gate was replaced, and made once more`)
    say(`  requests lost other than those streaming from a killed engine: ${lost.length}`)
    for (const one of new Set(lost)) say(`    ${lost.filter(other => other === one).length} x ${one}`)
    return lost.length === 0
  } finally {
    for (const end of ends) await end()
  }
}

const { values } = parseArgs({
  options: {
    streams: { type: 'string', default: '300' },
    only: { type: 'string', default: Object.keys(PHASES).join(',') },
    help: { type: 'boolean', short: 'h' }
  }
})
const streams = Number(values.streams)
const only = values.only.split(',')

if (values.help) process.stdout.write(HELP)
else if (!Number.isSafeInteger(streams) || streams < 1 || !only.every(name => Object.hasOwn(PHASES, name))) {
  process.stderr.write(HELP)
  process.exitCode = 2
} else {
  const phases = Object.entries(PHASES).flatMap(([name, phase]) => (only.includes(name) ? [phase] : []))
  process.exitCode = (await run(streams, phases)) ? 0 : 1
}
