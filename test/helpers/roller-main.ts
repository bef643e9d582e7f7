import { readSync } from 'node:fs'
import { roll } from '../../src/bill/roll.ts'
import { Rollup } from '../../src/bill/rollup.ts'

// Rolls a folder up in small steps, one for each byte that it is sent, and says so after each: somebody is going to kill it.
const [dir = '', file = ''] = process.argv.slice(2)
const rollup = new Rollup(file)
const steps = roll(dir, rollup, 16 * 1024)
while (readSync(0, Buffer.alloc(1)) === 1) {
  if (steps.next().done === true) {
    process.stdout.write('done\n')
    break
  }
  process.stdout.write('step\n')
}
