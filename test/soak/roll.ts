import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Phase, reload, roll, rollEngines } from './rolling.ts'

const HELP = `Usage: npm run roll -- [--streams N] [--reload]

Keeps streams open before three engines while each of them is killed and started again. Nobody may lose a request but
those whose engine was killed in the middle of their stream. Exit code 1 when somebody did.

  --streams N   streams that are open at any time (300)
  --reload      then has the gate read its configuration again, fifty times
`
const { values } = parseArgs({
  options: {
    streams: { type: 'string', default: '300' },
    reload: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' }
  }
})

/** In this order. A gate that takes over from another one on the same port would be one more. */
const PHASES: readonly { readonly isOn: boolean; readonly phase: Phase }[] = [
  { isOn: true, phase: rollEngines(3) },
  { isOn: values.reload, phase: reload(50) }
]

if (values.help) {
  process.stdout.write(HELP)
} else {
  const dir = mkdtempSync(join(tmpdir(), 'tollgate-roll-'))
  const ends: (() => unknown)[] = [() => rmSync(dir, { recursive: true, force: true })]
  const say = (text: string) => process.stdout.write(`${text}\n`)
  try {
    const phases = PHASES.filter(({ isOn }) => isOn).map(({ phase }) => phase)
    const teardown = (end: () => unknown) => ends.unshift(end)
    const { whole, excused, lost } = await roll({ teardown } as never, {
      dir,
      streams: Number(values.streams),
      phases,
      say
    })
    say(`${whole} streams were whole, ${excused} ended with their engine, ${lost.length} were lost`)
    for (const one of new Set(lost)) say(`  ${lost.filter(other => other === one).length} x ${one}`)
    process.exitCode = lost.length === 0 ? 0 : 1
  } finally {
    for (const end of ends) await end()
  }
}
