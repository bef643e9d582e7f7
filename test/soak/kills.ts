import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { COMMIT_MS, killAgain } from './killing.ts'

const HELP = `Usage: npm run kills -- [--kills N] [--lanes N] [--segment SIZE]

Kills a gate at random moments while callers use it, starts it again, and compares its ledger with what the callers have
seen. Exit code 1 when a request that ended more than ${COMMIT_MS} ms before the kill is not in it exactly once, or when the ledger
is not whole.

  --kills N        how often (50)
  --lanes N        callers at a time (32)
  --segment SIZE   when the next file of the ledger begins (64MiB)
`
const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '50' },
    lanes: { type: 'string', default: '32' },
    segment: { type: 'string', default: '64MiB' },
    help: { type: 'boolean', short: 'h' }
  }
})

if (values.help) {
  process.stdout.write(HELP)
} else {
  const dir = mkdtempSync(join(tmpdir(), 'tollgate-kills-'))
  const ends: (() => unknown)[] = [() => rmSync(dir, { recursive: true, force: true })]
  const say = (text: string) => process.stdout.write(`${text}\n`)
  try {
    const { kills, owed, missing, doubled, late, lateThere, crashed, usages, errors, notes, torn } = await killAgain(
      { teardown: (end: () => unknown) => ends.unshift(end) } as never,
      {
        dir,
        kills: Number(values.kills),
        lanes: Number(values.lanes),
        random: Math.random,
        segment: values.segment,
        say
      }
    )
    say(
      `${kills} kills: ${owed} requests ended more than ${COMMIT_MS} ms before, ${missing.length} of them are missing`
    )
    say(`${late} ended later, ${lateThere} of them are there; ${crashed} calls were open when their gate was killed`)
    say(`${usages} usages, ${doubled.length} requests more than once; ${torn} lines were torn`)
    for (const line of [...missing, ...errors, ...notes]) say(`  ${line}`)
    process.exitCode = missing.length + doubled.length + errors.length + notes.length === 0 ? 0 : 1
  } finally {
    for (const end of ends) await end()
  }
}
