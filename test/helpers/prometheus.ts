import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { freePort } from './ports.ts'

/** For tests that need one: why they are left out. CI has both programs (.ci/run). */
export const WITHOUT_PROMETHEUS = ['prometheus', 'promtool'].every(name => spawnSync(name, ['--version']).status === 0)
  ? {}
  : { skip: 'prometheus and promtool are not installed (Debian has both in the package prometheus)' }

/** A counter's readings: its labels, and what it stood at when. */
export interface Readings {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly samples: readonly (readonly [sec: number, value: number])[]
}

/** Runs a Prometheus that has some readings, whenever they were taken; it ends with the test. */
export async function startPrometheus(t: Pick<Test, 'teardown'>, readings: readonly Readings[]): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'tollgate-prometheus-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  writeFileSync(`${dir}/readings.om`, openMetrics(readings))
  writeFileSync(`${dir}/prometheus.yml`, '{}\n')
  mkdirSync(`${dir}/data`)
  execFileSync('promtool', ['tsdb', 'create-blocks-from', 'openmetrics', `${dir}/readings.om`, `${dir}/data`], {
    stdio: 'pipe'
  })
  const port = await freePort()
  const child = spawn(
    'prometheus',
    [
      `--config.file=${dir}/prometheus.yml`,
      `--storage.tsdb.path=${dir}/data`,
      '--storage.tsdb.retention.time=100y',
      `--web.listen-address=127.0.0.1:${port}`
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] }
  )
  const exit = new Promise(resolve => child.once('exit', resolve))
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exit
  })
  let said = ''
  await new Promise<void>((resolve, reject) => {
    child.once('exit', () => reject(new Error(`Prometheus has not started: ${said}`)))
    child.stderr.on('data', piece => {
      said += String(piece)
      if (said.includes('Server is ready to receive web requests')) resolve()
    })
  })
  return `http://127.0.0.1:${port}`
}

function openMetrics(readings: readonly Readings[]): string {
  const names = [...new Set(readings.map(({ name }) => name))]
  const families = names.map(name => {
    const lines = readings
      .filter(one => one.name === name)
      .flatMap(({ labels, samples }) => {
        const text = Object.entries(labels)
          .map(([label, value]) => `${label}=${JSON.stringify(value)}`)
          .join(',')
        return samples.map(([sec, value]) => `${name}{${text}} ${value} ${sec}\n`)
      })
    return `# TYPE ${name.replace(/_total$/, '')} counter\n${lines.join('')}`
  })
  return `${families.join('')}# EOF\n`
}
