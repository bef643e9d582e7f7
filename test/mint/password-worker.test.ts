import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { PasswordThreads } from '../../src/mint/password-threads.ts'
import { hashPassword } from '../../src/mint/passwords.ts'

const NICE = 18
/** How far each thread of this process gives way to others (proc_pid_stat(5)). */
const niceness = () =>
  readdirSync('/proc/self/task').map(tid => {
    const stat = readFileSync(`/proc/self/task/${tid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[NICE - 2])
  })

t.test(
  'a thread that hashes gives way to the event loop',
  { skip: process.platform !== 'linux' && 'priorities are those of threads on Linux alone' },
  async t => {
    const threads = new PasswordThreads()
    t.teardown(() => threads.close())
    await threads.verify('right', await hashPassword('right'))
    t.ok(niceness().some(nice => nice > 0))
    t.equal(niceness()[0], 0, 'that of the event loop')
  }
)
