import t from 'tap'
import { masterOf } from '../../src/store/sentinel.ts'
import { freePort } from '../helpers/ports.ts'
import { startRedis, startSentinel, WITHOUT_REDIS } from '../helpers/redis.ts'

t.test(
  'a Sentinel that knows is found among others, and what is wrong is said when there is none',
  WITHOUT_REDIS,
  async t => {
    const master = await startRedis(t)
    const sentinel = await startSentinel(t, { master, replicas: 0 })
    const at = (port: number) => ({ host: '127.0.0.1', port })
    const how = { tls: null, login: null, database: 0, timeoutMs: 5_000 }
    const nobody = at(await freePort())
    t.strictSame(await masterOf([nobody, at(master.port), at(sentinel.port)], 'gates', how), at(master.port))
    await t.rejects(masterOf([nobody], 'gates', how), { message: /^no Sentinel answers: 127\.0\.0\.1:\d+ refuses/ })
    await t.rejects(masterOf([nobody, at(master.port)], 'gates', how), { message: 'what answers is no Sentinel' })
    await t.rejects(masterOf([nobody, at(sentinel.port)], 'other', how), {
      message: 'the Sentinels know no master named "other"',
      fix: 'store.sentinel.name'
    })
    await t.rejects(masterOf([], 'gates', how), { message: 'no Sentinel is configured' })
  }
)
