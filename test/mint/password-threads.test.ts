import t from 'tap'
import { PasswordThreads } from '../../src/mint/password-threads.ts'
import { hashPassword } from '../../src/mint/passwords.ts'

t.test('passwords are verified on threads, several at once', async t => {
  const threads = new PasswordThreads()
  t.teardown(() => threads.close())
  const kept = await hashPassword('right')
  const answers = await Promise.all(['right', 'wrong', 'right', ''].map(password => threads.verify(password, kept)))
  t.strictSame(answers, [true, false, true, false])
})

t.test('what is asked after the end is rejected, and nothing is left running', async t => {
  const threads = new PasswordThreads()
  const kept = await hashPassword('right')
  await threads.verify('right', kept)
  await threads.close()
  await t.rejects(threads.verify('right', kept))
  await new PasswordThreads().close()
})
