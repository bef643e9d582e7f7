import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Ajv } from 'ajv'
import t from 'tap'
import { parse } from 'yaml'
import { loadConfig } from '../../src/config/load.ts'

const pathOf = (name: string) => fileURLToPath(new URL(`../../config/${name}`, import.meta.url))

t.test('the configurations that we ship load as they are', async t => {
  for (const name of ['tollgate.yaml', 'quickstart.yaml']) {
    const result = loadConfig(pathOf(name), { VLLM_API_KEY: 'k' })
    t.equal(result.ok, true, name)
    t.strictSame(
      result.faults.filter(fault => fault.severity === 'error'),
      []
    )
  }
})

t.test('editors that validate against the generated schema find nothing in them either', async t => {
  const validate = new Ajv({ strict: false }).compile(JSON.parse(readFileSync(pathOf('tollgate.schema.json'), 'utf8')))
  for (const name of ['tollgate.yaml', 'quickstart.yaml']) {
    t.ok(validate(parse(readFileSync(pathOf(name), 'utf8'))), `${name} ${JSON.stringify(validate.errors)}`)
  }
})
