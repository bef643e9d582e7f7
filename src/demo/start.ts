import { type ChildProcess, fork } from 'node:child_process'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { openKeyRing } from '../mint/key-ring.ts'
import { signToken } from '../mint/sign.ts'
import { serve } from '../serve.ts'

/** What `npm start` runs: the demo engine, and the gate before it with config/quickstart.yaml. */
const ROOT = resolve(import.meta.dirname, '../..')
const ISSUER = { issuer: 'https://quickstart.tollgate.local', audience: 'tollgate', role: null, ttlSec: 3600 } as const

const { values } = parseArgs({
  options: {
    config: { type: 'string', default: resolve(ROOT, 'config/quickstart.yaml') },
    data: { type: 'string', default: resolve(ROOT, 'data/quickstart') },
    'engine-port': { type: 'string', default: '8081' }
  }
})
const ring = openKeyRing(values.data)
const engine = await startEngine()
if (engine === null) {
  process.stderr.write(
    `The demo engine cannot listen on 127.0.0.1:${values['engine-port']}: is another program there?\n`
  )
  process.exitCode = 1
} else {
  const scopes = ['infer:text']
  const red = await signToken(ring.signing, { ...ISSUER, subject: 'ada', team: 'red', scopes }, Date.now())
  const blue = await signToken(ring.signing, { ...ISSUER, subject: 'bob', team: 'blue', scopes }, Date.now())
  // The gate cannot serve without its engine: what ends one ends the other.
  engine.once('exit', () => process.kill(process.pid, 'SIGTERM'))
  process.exitCode = await serve({
    configFile: values.config,
    env: process.env,
    stdout: process.stdout,
    stderr: process.stderr,
    onReady: ({ url, adminUrl }) => process.stdout.write(welcome({ url, adminUrl, red, blue }))
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

function welcome(of: { url: string; adminUrl: string; red: string; blue: string }): string {
  return `
Tollgate is open at ${of.url}, in front of a demo engine (no model is running).
Teams: red may use demo-chat and demo-embed, blue may use demo-chat alone.

This streams (team red, valid for an hour):

curl -N ${of.url}/v1/chat/completions -H 'content-type: application/json' -H 'authorization: Bearer ${of.red}' -d '{"model":"demo-chat","stream":true,"messages":[{"role":"user","content":"hello"}]}'

This is refused, because team blue may not use demo-embed:

curl ${of.url}/v1/embeddings -H 'content-type: application/json' -H 'authorization: Bearer ${of.blue}' -d '{"model":"demo-embed","input":"hello"}'

Who did what: data/quickstart/audit.log    Health: ${of.adminUrl}/readyz    More tokens: npx tollgate token --help
Ctrl-C stops everything.

`
}
