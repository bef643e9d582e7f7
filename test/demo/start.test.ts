import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { resolve } from 'node:path'
import t, { type Test } from 'tap'
import { freePort } from '../helpers/ports.ts'

const ROOT = resolve(import.meta.dirname, '../..')

/** `npm start` with ports and a data folder of the test's own; the file is the shipped one. */
async function quickstart(t: Test) {
  const [port, adminPort, enginePort] = [await freePort(), await freePort(), await freePort()]
  const dir = t.testdir({ config: {} })
  const config = `${dir}/config/quickstart.yaml`
  const text = readFileSync(resolve(ROOT, 'config/quickstart.yaml'), 'utf8')
  writeFileSync(
    config,
    text.replace(':8080', `:${port}`).replace(':9090', `:${adminPort}`).replace(':8081', `:${enginePort}`)
  )
  const args = ['--config', config, '--data', `${dir}/data/quickstart`, '--engine-port', String(enginePort)]
  const run = () => {
    // A process group of its own, as a terminal makes one: Ctrl-C goes to all of it.
    const child = spawn(process.execPath, [resolve(ROOT, 'src/demo/start.ts'), ...args], { detached: true })
    let text = ''
    const grown = new Set<() => void>()
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', piece => {
        text += String(piece)
        for (const wake of grown) wake()
      })
    }
    const exit = new Promise<number | null>(settle => child.once('close', code => settle(code)))
    t.teardown(() => {
      if (child.exitCode === null) process.kill(-(child.pid ?? 0), 'SIGKILL')
    })
    const says = async (wanted: string) => {
      while (!text.includes(wanted)) await new Promise<void>(wake => grown.add(wake))
    }
    return { text: () => text, says, exit, interrupt: () => process.kill(-(child.pid ?? 0), 'SIGINT') }
  }
  return { run, ports: [port, adminPort, enginePort], enginePort, dir }
}

/** Logs in as the pasted line does. @returns the token */
async function pasteLogin(line: string): Promise<string> {
  const [, url = '', username = '', password = ''] =
    /curl -s (\S+) -d username=(\S+) -d password=(\S+) /.exec(line) ?? []
  const answer = await fetch(url, { method: 'POST', body: new URLSearchParams({ username, password }) })
  const text = await answer.text()
  return /^{"access_token":"([^"]*)/.exec(text)?.[1] ?? text
}

/** Does what the pasted line does. */
async function paste(line: string, token: string): Promise<Response> {
  const [, url = ''] = /(http:\S+)/.exec(line) ?? []
  const headers = Object.fromEntries(
    [...line.matchAll(/-H ['"]([^:]+): ([^'"]+)['"]/g)].map(([, name, value = '']) => [
      name,
      value.replace('$TOKEN', token)
    ])
  )
  const [, body = ''] = /-d '([^']+)'/.exec(line) ?? []
  return await fetch(url, { method: 'POST', headers, body })
}

t.test('the quickstart prints a line that streams and one that is refused; Ctrl-C ends all of it', async t => {
  const { run, ports, dir } = await quickstart(t)
  const program = run()
  await program.says('Ctrl-C stops everything.')
  const [streams = '', refused = ''] = program
    .text()
    .split('\n')
    .filter(line => line.startsWith('curl '))
  const [ada = '', bob = ''] = program
    .text()
    .split('\n')
    .filter(line => line.startsWith('TOKEN='))
  const answer = await paste(streams, await pasteLogin(ada))
  t.equal(answer.status, 200)
  t.match(answer.headers.get('content-type'), /^text\/event-stream/)
  const text = await answer.text()
  t.match(text, /"This"/)
  t.match(text, /" demo"/, 'it says that it is a demo')
  t.match(text, /data: \[DONE\]\n\n$/)
  t.equal((await paste(refused, await pasteLogin(bob))).status, 404)

  program.interrupt()
  t.equal(await program.exit, 0)
  for (const port of ports) {
    const server = createServer()
    await new Promise<void>(settle => server.listen(port, '127.0.0.1', settle))
    await new Promise(settle => server.close(settle))
  }
  const lines = readFileSync(`${dir}/data/quickstart/audit.log`, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  t.match(lines, [
    { 'event.action': 'mint.key', 'tollgate.key.state': 'signing' },
    { 'event.action': 'token.issue', 'user.id': 'ada' },
    { 'user.id': 'ada', 'http.response.status_code': 200 },
    { 'event.action': 'token.issue', 'user.id': 'bob' },
    { 'user.id': 'bob', 'tollgate.code': 'TOLLGATE_ROUTE_MODEL' }
  ])
})

t.test('the key pair is made once: a second start takes the first one up again', async t => {
  const { run, dir } = await quickstart(t)
  const jwks: string[] = []
  for (let i = 0; i < 2; i++) {
    const program = run()
    await program.says('Ctrl-C stops everything.')
    jwks.push(readFileSync(`${dir}/data/quickstart/jwks.json`, 'utf8'))
    program.interrupt()
    t.equal(await program.exit, 0)
  }
  t.equal(jwks[0], jwks[1])
})

t.test('a port of the demo engine that is taken is said in one line', async t => {
  const { run, enginePort } = await quickstart(t)
  const other = createServer()
  await new Promise<void>(settle => other.listen(enginePort, '127.0.0.1', settle))
  t.teardown(() => other.close())
  const program = run()
  t.equal(await program.exit, 1)
  t.match(program.text(), `The demo engine cannot listen on 127.0.0.1:${enginePort}: is another program there?`)
})
