import t from 'tap'
import { faultOfReply, faultOfSocket } from '../../src/store/faults.ts'

t.test(
  'what the store says of itself has a cause, and what another server would not say ends the connection',
  async t => {
    const isOfServer = (text: string) => faultOfReply(text)?.isOfServer
    for (const text of [
      "READONLY You can't write against a read only replica. script: abc, on @user_script:3.",
      'ERR Error running script (call to f_abc): @user_script:3: @user_script: 3: -READONLY You can not write.',
      'LOADING Redis is loading the dataset in memory',
      "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
      'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)',
      'NOREPLICAS Not enough good replicas to write.',
      'CLUSTERDOWN The cluster is down'
    ]) {
      t.equal(isOfServer(text), true, text)
    }
    for (const text of [
      "OOM command not allowed when used memory > 'maxmemory'.",
      'MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist to disk.',
      'NOAUTH Authentication required.',
      'WRONGPASS invalid username-password pair or user is disabled.',
      "NOPERM this user has no permissions to run the 'hset' command",
      "ERR The user executing the script can't run this command or subcommand script: abc, on @user_script:3.",
      '-DENIED Redis is running in protected mode',
      'ERR max number of clients reached',
      'MOVED 3999 127.0.0.1:6381',
      'ERR This instance has cluster support disabled',
      'ERR DB index is out of range',
      "ERR unknown command 'SENTINEL', with args beginning with: 'get-master-addr-by-name'",
      "ERR unknown command 'EVALSHA', with args beginning with: 'secret'"
    ]) {
      t.equal(isOfServer(text), false, text)
      t.notMatch(faultOfReply(text)?.message, /secret|127\.0\.0\.1/)
      t.ok(faultOfReply(text)?.fix, 'it says what to do')
    }
    t.equal(faultOfReply('ERR Error running script: @user_script:1: attempt to index a nil value'), null)
  }
)

t.test('no cause of a socket holds more than its host, its port and its code', async t => {
  const of = { host: '::1', port: 1, stage: 'connect', isTls: false } as const
  const err = Object.assign(new Error('connect to user:secret@host'), { code: 'EWHATEVER' })
  t.equal(faultOfSocket(err, of).message, 'connecting to [::1]:1 failed (EWHATEVER)')
  t.equal(
    faultOfSocket(Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }), of).message.slice(0, 15),
    '[::1]:1 refuses'
  )
})
