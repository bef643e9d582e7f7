import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { openKeyRing } from '../mint/key-ring.ts'
import { hashPassword, phcText } from '../mint/passwords.ts'
import { serve } from '../serve.ts'

/** What `npm start` runs: the demo engine, and the gate before it with config/quickstart.yaml. */
const ROOT = resolve(import.meta.dirname, '../..')

const { values } = parseArgs({
  options: {
    config: { type: 'string', default: resolve(ROOT, 'config/quickstart.yaml') },
    data: { type: 'string', default: resolve(ROOT, 'data/quickstart') },
    'engine-port': { type: 'string', default: '8081' }
  }
})
openKeyRing(values.data)
const engine = await startEngine()
if (engine === null) {
  process.stderr.write(
    `The demo engine cannot listen on 127.0.0.1:${values['engine-port']}: is another program there?\n`
  )
  process.exitCode = 1
} else {
  const password = await writeUsers(resolve(values.data, 'users.yaml'))
  // The gate cannot serve without its engine: what ends one ends the other.
  engine.once('exit', () => process.kill(process.pid, 'SIGTERM'))
  process.exitCode = await serve({
    configFile: values.config,
    env: process.env,
    stdout: process.stdout,
    stderr: process.stderr,
    onReady: ({ url, adminUrl }) => process.stdout.write(welcome({ url, adminUrl, password }))
  })
  engine.removeAllListeners('exit')
  await stopEngine(engine)
}

function startEngine(): Promise<ChildProcess | null> {
  const child = fork(resolve(import.meta.dirname, 'engine.ts'), ['--port', values['engine-port']], { execArgv: [] })
  return new Promise(settle => {
    child.once('message', () => settle(child))
    child.once('exit', () => settle(null))
  })
}

function stopEngine(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise(settle => {
    child.once('exit', () => settle())
    child.kill('SIGTERM')
  })
}

/** Two users, and a password for both that is another one with every start. @returns it */
async function writeUsers(file: string): Promise<string> {
  const password = randomBytes(9).toString('base64url')
  const line = async (name: string, team: string) =>
    `  ${name}: { password: "${phcText(await hashPassword(password))}", team: ${team}, scopes: [infer:text] }\n`
  const text = `# made anew by every 'npm start'\nusers:\n${await line('ada', 'red')}${await line('bob', 'blue')}`
  writeFileSync(file, text, { mode: 0o600 })
  return password
}

function welcome({ url, adminUrl, password }: { url: string; adminUrl: string; password: string }): string {
  const login = (name: string) =>
    `TOKEN=$(curl -s ${url}/login -d username=${name} -d password=${password} | sed 's/^{"access_token":"\\([^"]*\\).*/\\1/')`
  return `
Tollgate is open at ${url}, in front of a demo engine (no model is running).
Teams: red may use demo-chat and demo-embed, blue may use demo-chat alone.

Ada, of team red, logs in (for a quarter of an hour), and this streams:

${login('ada')}
curl -N ${url}/v1/chat/completions -H 'content-type: application/json' -H "authorization: Bearer $TOKEN" -d '{"model":"demo-chat","stream":true,"messages":[{"role":"user","content":"hello"}]}'

This is refused, because Bob's team blue may not use demo-embed:

${login('bob')}
curl ${url}/v1/embeddings -H 'content-type: application/json' -H "authorization: Bearer $TOKEN" -d '{"model":"demo-embed","input":"hello"}'

Who did what: data/quickstart/audit.log    Health: ${adminUrl}/readyz    Test tokens: npx tollgate token --help
Ctrl-C stops everything.

`
}
