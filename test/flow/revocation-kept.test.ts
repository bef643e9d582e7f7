import { readFileSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { runGate } from '../helpers/gate-process.ts'
import { type RevokingGate, startRevokingGates } from '../helpers/revoking-gates.ts'
import { until } from '../helpers/stores.ts'

t.test('what was revoked is still revoked after a kill, where it is kept; else the command says so', async t => {
  const { gates, issuer } = await startRevokingGates(t, {
    count: 2,
    yaml: number => (number === 0 ? 'revocation: { keep: kept.json }' : '')
  })
  const [kept, bare] = gates as readonly [RevokingGate, RevokingGate]
  const token = await issuer.sign({ sub: 'u' })
  const revoke = async (gate: RevokingGate, ...args: string[]) => {
    const command = runGate(t, ['revoke', ...args, '--url', gate.adminUrl])
    let text = ''
    command.child.stdout?.on('data', piece => {
      text += String(piece)
    })
    return { code: await command.exit, text: () => text, stderr: () => command.stderr() }
  }
  const done = await revoke(kept, '--sub', 'u', '--issuer', 'corp', '--reason', 'left the company')
  t.equal(done.code, 0, done.stderr())
  t.match(done.text(), /^Revoked: \S+ {2}sub u {2}of http/)
  t.notMatch(done.text(), /But/)
  t.match((await revoke(bare, '--sub', 'u')).text(), /But it lasts until this gate ends/)
  for (const gate of gates) t.equal(await gate.status(token), 401)
  for (const gate of gates) await gate.restart()
  t.equal(await kept.status(token), 401)
  t.equal(await bare.status(token), 200)
  const list = await revoke(kept, 'list')
  t.match(list.text(), /left the company/)
  t.equal((await revoke(kept, 'lift', list.text().split(' ')[0] ?? '')).code, 0)
  t.equal(await kept.status(token), 200)
  t.match(await revoke(kept, 'lift', 'nothing'), { code: 1 })
  t.match(
    (await revoke(kept, '--sub', 'u', '--issuer', 'nobody')).stderr(),
    /no issuer is called "nobody"; there is corp/
  )
  t.match(await revoke(kept, '--sub', 'u', '--jti', 'j'), { code: 2 })
})

t.test('a file revokes, follows its symlink, and a faulty one changes nothing and is told of', async t => {
  const { gates, issuer, dir } = await startRevokingGates(t, {
    count: 1,
    yaml: number => {
      writeFileSync(`${t.testdirName}/one.yaml`, 'revocations: [{ sub: u-1, issuer: corp }]')
      symlinkSync('one.yaml', `${t.testdirName}/revoked.yaml`)
      return `revocation: { file: revoked.yaml } # ${number}`
    }
  })
  const [gate] = gates as readonly [RevokingGate]
  const token = await issuer.sign()
  t.equal(await gate.status(token), 401)
  writeFileSync(`${dir}/two.yaml`, 'revocations: []')
  unlinkSync(`${dir}/revoked.yaml`)
  symlinkSync('two.yaml', `${dir}/revoked.yaml`)
  await until(async () => (await gate.status(token)) === 200)
  writeFileSync(`${dir}/two.yaml`, 'revocations: [{ sub: u-1 }]')
  await until(async () => (await gate.status(token)) === 401)
  writeFileSync(`${dir}/two.yaml`, 'revocations:\n  - { sub: u-1, isuer: corp }\n')
  await gate.process.says('the last good one holds')
  t.match((await gate.detail()).file.fault, /two|revoked\.yaml:2:17 error E201 unknown key "isuer"/)
  t.equal(await gate.status(token), 401)

  const revoked = () =>
    readFileSync(gate.auditFile, 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
      .filter(line => String(line['event.action']).startsWith('token.revoke'))
  await until(() => revoked().length === 2)
  t.match(revoked(), [
    { 'event.action': 'token.revoke.lift', 'tollgate.operator': 'revocation.file', 'tollgate.revocation.value': 'u-1' },
    { 'event.action': 'token.revoke', 'tollgate.operator': 'revocation.file', 'source.ip': null }
  ])

  const started = runGate(t, ['serve', '--config', `${dir}/gate-0.yaml`])
  t.equal(await started.exit, 1, 'a gate does not begin with a faulty file')
  t.match(started.stderr(), /revoked\.yaml:2:17 error E201/)
})
