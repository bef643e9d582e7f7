import { roll } from '../../src/bill/roll.ts'
import { Rollup } from '../../src/bill/rollup.ts'

// Rolls a folder up in small steps, and says so after each: somebody is going to kill it.
const [dir = '', file = ''] = process.argv.slice(2)
const rollup = new Rollup(file)
for (const { records } of roll(dir, rollup, 16 * 1024)) process.stdout.write(`${records}\n`)
process.stdout.write('done\n')
