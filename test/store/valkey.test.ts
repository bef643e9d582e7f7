import t from 'tap'
import { connectStore } from '../../src/store/valkey.ts'
import { WITHOUT_REDIS } from '../helpers/redis.ts'
import { connected, isThere, storeAt, until } from '../helpers/stores.ts'

const ECHO = { name: 'echo', text: "return { ARGV[1], redis.call('INCR', KEYS[1]) }" }

t.test('before it is opened there is no connection, and where nobody listens there is none either', async t => {
  const connection = connectStore(storeAt({ url: 'redis://127.0.0.1:1' }))
  connection.open()
  await t.rejects(connection.run(ECHO, ['k'], ['a']))
  await connection.close()
})

t.test('a server', WITHOUT_REDIS, async t => {
  const { server, connection, store } = await connected(t, undefined, { commandMs: 200 })

  t.test('runs a script that it has never seen, and one that it has forgotten', async t => {
    t.strictSame(await connection.run(ECHO, ['k'], ['a']), ['a', 1])
    t.strictSame(await connection.run(ECHO, ['k'], ['b']), ['b', 2])
    await connection.run({ name: 'flush', text: "return redis.call('SCRIPT', 'FLUSH')" }, [], []).catch(() => {})
    t.strictSame(await connection.run(ECHO, ['k'], ['c']), ['c', 3])
  })

  t.test('says what is wrong, and a script that fails fails alone', async t => {
    await t.rejects(connection.run({ name: 'wrong', text: "return redis.call('GET')" }, [], []), /Wrong number of args/)
    t.match(await connection.run(ECHO, ['k'], ['d']), ['d', Number])
  })

  t.test('that stands still is given up, and answers again when it goes on', async t => {
    server.freeze()
    await t.rejects(connection.run(ECHO, ['k'], ['a']), { name: 'Error', message: /did not answer echo within 200 ms/ })
    server.thaw()
    await isThere(store)
  })

  t.test('that stands still for a moment answers what no caller waits for', async t => {
    server.freeze()
    const patient = connection.run({ ...ECHO, isBackground: true }, ['patient'], ['a'])
    await t.rejects(connection.run(ECHO, ['k'], ['a']), /within 200 ms/)
    server.thaw()
    t.strictSame(await patient, ['a', 1])
    await isThere(store)
  })

  t.test('that has forgotten a script is not told it again when nobody waits for it any more', async t => {
    const [, before] = (await connection.run(ECHO, ['late'], ['a'])) as [string, number]
    await connection.run({ name: 'flush', text: "return redis.call('SCRIPT', 'FLUSH')" }, [], []).catch(() => {})
    server.freeze()
    await t.rejects(
      connection.run({ ...ECHO, text: `${ECHO.text} `, name: 'late' }, ['late'], ['a']),
      /did not answer late/
    )
    server.thaw()
    await isThere(store)
    t.strictSame(await connection.run(ECHO, ['late'], ['a']), ['a', before + 1])
  })

  t.test('that was killed is found again when it is back, without anybody asking for it', async t => {
    await server.kill()
    await until(() =>
      store.peek([]).then(
        () => false,
        () => true
      )
    )
    await server.start()
    await isThere(store)
    t.strictSame(await connection.run(ECHO, ['k'], ['a']), ['a', 1])
  })
})
