"""What the Java buildpack decides: version, the app's jar, its place in the image, memory and services at launch."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from java import application, artifact, cacerts, contents, project, versions
from java.jar import Jar, layer_index, main_attributes
from java.layers import cds, conf, gradle, maven
from java.layers.jdk import Jdk, seal
from java.layers.runtime import Runtime
from pybuild.libcnb.context import BuildContext, Target
from pybuild.libcnb.layers import Layer, Layers, Types
from pybuild.libcnb.problem import Problem
from support.authority import certificate

if TYPE_CHECKING:
    from collections.abc import Mapping

BUILDPACK = Path(__file__).parents[3] / "buildpacks/java"
LOADER = "org.springframework.boot.loader.launch.JarLauncher"


def context(app: Path, **environ: str) -> BuildContext:
    return BuildContext(
        app=app,
        buildpack=BUILDPACK,
        platform=app,
        layers=Layers(app.parent / "layers"),
        plan=(),
        store={},
        target=Target(),
        exec_env="production",
        environ=environ,
        version="1",
    )


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    return folder


def jar(path: Path, manifest: str = "", entries: Mapping[str, bytes] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        if manifest:
            archive.writestr("META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\n{manifest}\n")
        for name, data in (entries or {}).items():
            archive.writestr(name, data)
    return path


def boot_jar(path: Path) -> Path:
    return jar(
        path,
        f"Main-Class: {LOADER}\nStart-Class: com.example.App\nImplementation-Title: app\nSpring-Boot-Version: 3.5.3",
        {
            "META-INF/services/x.Y": b"z",
            "META-INF/maven/g/a/pom.xml": b"",
            "BOOT-INF/classes/com/example/App.class": b"app",
            "BOOT-INF/lib/b-2.jar": b"b",
            "BOOT-INF/lib/a-1.jar": b"a",
            "BOOT-INF/lib/own-1-SNAPSHOT.jar": b"own",
            "BOOT-INF/classpath.idx": b'- "BOOT-INF/lib/b-2.jar"\n- "BOOT-INF/lib/a-1.jar"\n- "BOOT-INF/lib/own-1-SNAPSHOT.jar"\n',
            "BOOT-INF/layers.idx": (
                b'- "dependencies":\n  - "BOOT-INF/lib/"\n- "spring-boot-loader":\n  - "org/"\n'
                b'- "snapshot-dependencies":\n  - "BOOT-INF/lib/own-1-SNAPSHOT.jar"\n'
                b'- "application":\n  - "BOOT-INF/classes/"\n  - "META-INF/"\n'
            ),
            "org/springframework/boot/loader/launch/JarLauncher.class": b"loader",
        },
    )


@pytest.mark.parametrize(
    ("text", "feature"),
    [
        ("17", 17),
        ("17.0.9", 17),
        ("1.8", 8),
        ("1.8.0_392", 8),
        ("17.*", 17),
        ("21-ea", 21),
        ("17.0.9-tem", 17),
        ("temurin-21.0.1+12", 21),
        ("openjdk-17", 17),
    ],
)
def test_versions_are_understood_as_tools_write_them(text: str, feature: int) -> None:
    assert versions.feature(text, "x") == feature


@pytest.mark.parametrize("text", ["", "latest", "seventeen", "17 or 21"])
def test_a_text_that_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(Problem, match="cannot be understood"):
        versions.feature(text, ".java-version")


@pytest.mark.parametrize(
    ("files", "environ", "compiled_for", "chosen"),
    [
        ({}, {}, ("11", "pom.xml"), 17),
        ({}, {}, ("", ""), 25),
        ({}, {}, ("21", "pom.xml"), 21),
        ({".java-version": "21\n"}, {}, ("17", "pom.xml"), 21),
        ({".sdkmanrc": "# x\njava=17.0.9-tem\n"}, {}, ("", ""), 17),
        ({"system.properties": "java.runtime.version=17\n"}, {}, ("", ""), 17),
        ({".java-version": "17"}, {"BP_JVM_VERSION": "25.*"}, ("", ""), 25),
    ],
)
def test_a_pin_means_that_java_and_a_build_file_the_oldest_that_compiles_it(
    files: dict[str, str], environ: dict[str, str], compiled_for: tuple[str, str], chosen: int, app: Path
) -> None:
    for name, text in files.items():
        (app / name).write_text(text)

    request = versions.wanted(context(app, **environ), compiled_for)

    assert versions.choose(request, (17, 25, 21)) == chosen


def test_a_java_nobody_has_is_answered_with_the_list(app: Path) -> None:
    request = versions.wanted(context(app, BP_JVM_VERSION="8"), ("", ""))

    with pytest.raises(Problem, match="There is no Java 8") as caught:
        versions.choose(request, (17,))

    assert "BP_JVM_VERSION says 8, but this builder's package sources have Java 17." in caught.value.found


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("<properties><java.version>17</java.version></properties>", "17"),
        ("<properties><v>21</v><maven.compiler.release>${v}</maven.compiler.release></properties>", "21"),
        ("<properties><maven.compiler.source>1.8</maven.compiler.source></properties>", "1.8"),
        (
            (
                "<build><plugins><plugin><artifactId>maven-compiler-plugin</artifactId>"
                "<configuration><release>11</release></configuration></plugin></plugins></build>"
            ),
            "11",
        ),
        ("<properties><java.version>${unknown}</java.version></properties>", ""),
        ("", ""),
    ],
)
def test_a_pom_tells_its_java(body: str, found: str, app: Path) -> None:
    (app / "pom.xml").write_text(f'<project xmlns="http://maven.apache.org/POM/4.0.0">{body}</project>')

    told = project.find(app, {})

    assert told == project.Project(kind="maven", mark="pom.xml", compiled_for=(found, "pom.xml"))


@pytest.mark.parametrize("text", ["<project>", "", '<!DOCTYPE x [<!ENTITY a "b">]><project/>'])
def test_a_pom_that_cannot_be_read_is_named(text: str, app: Path) -> None:
    (app / "pom.xml").write_text(text)

    with pytest.raises(Problem, match=r"pom\.xml cannot be read"):
        project.find(app, {})


def test_gradle_and_jars_are_told_apart(app: Path) -> None:
    jar(app / "lib.jar", "Created-By: x")
    assert project.find(app, {}) is None

    jar(app / "app.jar", "Main-Class: a.B")
    assert project.find(app, {}) == project.Project(kind="jar", mark="app.jar")

    (app / "build.gradle.kts").write_text(
        "java { toolchain { languageVersion = JavaLanguageVersion.of(21) } }"
    )
    assert project.find(app, {}) == project.Project(
        kind="gradle", mark="build.gradle.kts", compiled_for=("21", "build.gradle.kts")
    )


@pytest.mark.parametrize("unpacked", [False, True])
@pytest.mark.parametrize(
    ("manifest", "name"),
    [
        ("Main-Class: a.B", "a/B.class"),
        (f"Main-Class: {LOADER}\nStart-Class: a.B", "BOOT-INF/classes/a/B.class"),
    ],
)
def test_a_finished_jar_asks_for_the_java_it_was_compiled_for(
    manifest: str, name: str, unpacked: bool, app: Path
) -> None:
    made = jar(app / "app.jar", manifest, {name: b"\xca\xfe\xba\xbe\0\0\0\x41..."})
    if unpacked:
        with zipfile.ZipFile(made) as archive:
            archive.extractall(app)
        made.unlink()
    mark = "META-INF/MANIFEST.MF" if unpacked else "app.jar"

    assert project.find(app, {}) == project.Project(kind="jar", mark=mark, compiled_for=("21", mark))


def test_a_manifest_continues_its_lines_and_ends_at_a_blank_one() -> None:
    text = "Main-Class: com.example.\r\n Long\r\nX-Y: 1\r\n\r\nName: a\r\nMain-Class: other\r\n"

    assert main_attributes(text) == {"Main-Class": "com.example.Long", "X-Y": "1"}


@pytest.mark.parametrize(
    ("files", "environ", "chosen"),
    [
        (["target/app.jar"], {}, "target/app.jar"),
        (["api/target/api.jar"], {}, "api/target/api.jar"),
        (["a/target/a.jar", "b/target/b.jar"], {"BP_MAVEN_BUILT_MODULE": "b"}, "b/target/b.jar"),
        (["target/a.jar", "target/b.jar"], {"BP_MAVEN_BUILT_ARTIFACT": "target/b.jar"}, "target/b.jar"),
        (["target/a.jar", "target/a-sources.jar", "target/original-a.jar"], {}, "target/a.jar"),
        (["target/a.jar", "target/quarkus-app/quarkus-run.jar"], {}, "target/quarkus-app/quarkus-run.jar"),
        (["target/boot.war"], {}, "target/boot.war"),
    ],
)
def test_the_jar_that_can_be_run_is_the_app(
    files: list[str], environ: dict[str, str], chosen: str, app: Path
) -> None:
    for name in files:
        jar(app / name, "Main-Class: a.B")
    jar(app / "target/library.jar", "Created-By: x")

    assert artifact.find(app, "MAVEN", environ).path == app / chosen


@pytest.mark.parametrize(
    ("files", "environ", "heading"),
    [
        ({"target/a.jar": "Main-Class: a.B", "target/b.jar": "Main-Class: a.B"}, {}, "Several jars could be"),
        ({"target/a.jar": "X: y"}, {}, "no executable jar"),
        ({}, {}, "no executable jar"),
        ({"target/a.war": "X: y"}, {}, "web archive needs a server"),
        ({"target/a.jar": "Main-Class: a.B"}, {"BP_MAVEN_BUILT_MODULE": "../x"}, "module does not exist"),
    ],
)
def test_what_cannot_be_run_is_explained(
    files: dict[str, str], environ: dict[str, str], heading: str, app: Path
) -> None:
    for name, manifest in files.items():
        jar(app / name, manifest)

    with pytest.raises(Problem, match=heading):
        artifact.find(app, "MAVEN", environ)


def test_a_boot_jar_becomes_a_small_jar_and_its_libraries(app: Path) -> None:
    (app / "pom.xml").touch()
    (app / "Procfile").write_text("worker: java -version")

    made = application.place(app, Jar.read(boot_jar(app / "target/app-1.jar")), ("Procfile",))

    assert made == application.Application(
        jar="app-1.jar",
        libraries=("lib/b-2.jar", "lib/a-1.jar", "lib/own-1-SNAPSHOT.jar"),
        slices=(("lib/own-1-SNAPSHOT.jar",), ("lib/*",)),
        boot="3.5.3",
    )
    assert sorted(str(path.relative_to(app)) for path in app.rglob("*") if path.is_file()) == [
        "Procfile",
        "app-1.jar",
        "lib/a-1.jar",
        "lib/b-2.jar",
        "lib/own-1-SNAPSHOT.jar",
    ]
    small = Jar.read(app / "app-1.jar")
    assert small.manifest == {
        "Manifest-Version": "1.0",
        "Main-Class": "com.example.App",
        "Class-Path": "lib/b-2.jar lib/a-1.jar lib/own-1-SNAPSHOT.jar",
        "Implementation-Title": "app",
    }
    # Spring finds components through the entries of folders.
    assert {"com/", "com/example/", "com/example/App.class", "META-INF/services/x.Y"} <= {*small.names}
    assert not any(name.startswith(("BOOT-INF", "org", "META-INF/maven")) for name in small.names)


def test_the_small_jar_is_the_same_whenever_it_is_made(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        application.place(folder, Jar.read(boot_jar(tmp_path / f"{name}-built/app.jar")), ())
        made.append((folder / "app.jar").read_bytes())

    assert made[0] == made[1]


def test_lines_of_a_manifest_are_not_longer_than_java_reads(app: Path) -> None:
    libraries = [f"lib/some-library-with-a-long-name-{number}.jar" for number in range(20)]

    text = application.manifest(Jar.read(boot_jar(app / "a.jar")), libraries)

    assert max(map(len, text.encode().split(b"\r\n"))) <= 72
    assert main_attributes(text)["Class-Path"].split() == libraries


def test_a_plain_jar_takes_its_class_path_along_but_nothing_from_outside(app: Path) -> None:
    jar(app / "target/lib/dep.jar")
    jar(app / "secret.jar")
    built = jar(app / "target/app.jar", "Main-Class: a.B\nClass-Path: lib/dep.jar ../secret.jar file:/x.jar")

    made = application.place(app, Jar.read(built), ())

    assert made == application.Application(
        jar="app.jar", libraries=("lib/dep.jar",), slices=(("lib/dep.jar",),)
    )
    assert sorted(path.name for path in app.rglob("*.jar")) == ["app.jar", "dep.jar"]


def test_an_unpacked_jar_is_packed_with_its_manifest_first(app: Path) -> None:
    jar(app / "x.jar", "Main-Class: a.B", {"a/B.class": b"x"})
    with zipfile.ZipFile(app / "x.jar") as archive:
        archive.extractall(app / "out")

    application.pack(app / "out", app / "y.jar")

    packed = Jar.read(app / "y.jar")
    assert (packed.main_class, packed.names[:2]) == ("a.B", ("META-INF/", "META-INF/MANIFEST.MF"))


def test_the_index_of_layers_is_read() -> None:
    text = '- "dependencies":\n  - "BOOT-INF/lib/"\n- "empty":\n- "application":\n  - "META-INF/"\n'

    assert layer_index(text) == (
        ("dependencies", ("BOOT-INF/lib/",)),
        ("empty", ()),
        ("application", ("META-INF/",)),
    )


def test_a_file_that_is_no_jar_is_refused(app: Path) -> None:
    (app / "a.jar").write_text("not a zip")

    with pytest.raises(Problem, match=r"a\.jar is no jar"):
        Jar.read(app / "a.jar")


def test_jars_get_their_coordinates_from_the_repository_else_from_themselves(
    app: Path, tmp_path: Path
) -> None:
    repository = tmp_path / "m2"
    jar(repository / "org/example/known/1.0/known-1.0.jar")
    jar(app / "lib/known-1.0.jar")
    jar(
        app / "lib/pom-2.jar",
        "X: y",
        {"META-INF/maven/g.h/a/pom.properties": b"#x\ngroupId=g.h\nartifactId=a\nversion=2.0\n"},
    )
    jar(app / "lib/bundle-3.1.jar", "Bundle-SymbolicName: org.bundle;singleton:=true")
    names = ("lib/known-1.0.jar", "lib/pom-2.jar", "lib/bundle-3.1.jar")

    found = contents.components(app, names, repository)

    assert [component.purl for component in found] == [
        "pkg:maven/org.example/known@1.0",
        "pkg:maven/g.h/a@2.0",
        "pkg:maven/org.bundle/bundle@3.1",
    ]
    assert all(len(component.hashes["SHA-256"]) == 64 for component in found)


def test_gradles_cache_tells_coordinates_too(tmp_path: Path) -> None:
    jar(tmp_path / "caches/modules-2/files-2.1/org.example/a/1.2/abcd/a-1.2.jar")

    assert contents.index(tmp_path) == {"a-1.2.jar": ("org.example", "a", "1.2")}


@pytest.mark.skipif(not shutil.which("keytool"), reason="needs keytool")
def test_java_reads_the_key_store(tmp_path: Path) -> None:
    bundle = Path("/etc/ssl/certs/ca-certificates.crt").read_text("latin-1")
    end = "-----END CERTIFICATE-----"
    one = bundle[bundle.index("-----BEGIN") : bundle.index(end) + len(end)]
    file = tmp_path / "cacerts"
    file.symlink_to("/nowhere/cacerts")

    cacerts.write(file, cacerts.store([ssl.PEM_cert_to_DER_cert(one)] * 2))

    words = ["keytool", "-list", "-keystore", str(file), "-storepass", cacerts.PASSWORD]
    listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert "contains 1 entry" in listed
    assert "trustedCertEntry" in listed


def run_exec_d(script: str, tmp_path: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """The variables it writes to file descriptor 3, as stdout."""
    file = tmp_path / "script"
    file.write_text(script)
    return subprocess.run(
        ["bash", "-c", f"exec bash {file} 3>&1 >/dev/null"],
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def memory(tmp_path: Path, limit: str, **environ: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    text = (BUILDPACK / "templates/memory").read_text()
    text = text.replace("/sys/fs/cgroup/memory.max", str(tmp_path / "memory.max"))
    text = text.replace("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/nowhere")
    return run_exec_d(text.replace("@classes@", "12000"), tmp_path, **environ)


@pytest.mark.parametrize(
    ("mib", "options"),
    [
        (256, "-XX:MaxMetaspaceSize=79M -XX:ReservedCodeCacheSize=51M -XX:MaxDirectMemorySize=10M -Xss512K"),
        (
            1024,
            "-XX:MaxMetaspaceSize=79M -XX:ReservedCodeCacheSize=240M -XX:MaxDirectMemorySize=10M -Xss1024K",
        ),
    ],
)
def test_memory_is_shared_out_within_the_limit(mib: int, options: str, tmp_path: Path) -> None:
    done = memory(tmp_path, str(mib << 20))

    assert done.stderr == ""
    told = re.fullmatch(r'JAVA_TOOL_OPTIONS = "-Xmx(\d+)M (.*) -XX:\+ExitOnOutOfMemoryError"\n', done.stdout)
    assert told
    assert told[2] == options
    assert mib / 5 < int(told[1]) < mib / 2


def test_little_memory_is_warned_of_and_not_refused(tmp_path: Path) -> None:
    done = memory(tmp_path, str(96 << 20))

    assert done.returncode == 0
    assert "96 MiB of memory are little" in done.stderr
    assert "-Xmx19M" in done.stdout


def test_the_users_options_win_and_come_last(tmp_path: Path) -> None:
    done = memory(tmp_path, str(512 << 20), JAVA_OPTS='-Xmx100m -Da="b c"', JAVA_TOOL_OPTIONS="-Dx=y")

    assert done.stdout == 'JAVA_TOOL_OPTIONS = "-XX:+ExitOnOutOfMemoryError -Dx=y -Xmx100m -Da=\\"b c\\""\n'


@pytest.mark.parametrize("limit", ["max", "9223372036854771712"])
def test_without_a_limit_the_jvm_decides(limit: str, tmp_path: Path) -> None:
    assert memory(tmp_path, limit).stdout == 'JAVA_TOOL_OPTIONS = "-XX:+ExitOnOutOfMemoryError"\n'


def test_a_number_that_is_none_is_refused(tmp_path: Path) -> None:
    done = memory(tmp_path, str(512 << 20), BPL_JVM_THREAD_COUNT="many")

    assert (done.returncode, done.stderr) == (2, "error: BPL_JVM_THREAD_COUNT must be a number, got 'many'\n")


def spring(tmp_path: Path, binding: Mapping[str, str], **environ: str) -> str:
    folder = tmp_path / "bindings/db"
    folder.mkdir(parents=True)
    for name, value in binding.items():
        (folder / name).write_text(value)
    done = run_exec_d(
        conf.spring(BUILDPACK), tmp_path, SERVICE_BINDING_ROOT=str(tmp_path / "bindings"), **environ
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize(
    ("kind", "port", "scheme"),
    [("mysql", "3306", "mysql"), ("mariadb", "3306", "mysql"), ("postgresql", "5432", "postgresql")],
)
def test_a_bound_database_is_springs_datasource(kind: str, port: str, scheme: str, tmp_path: Path) -> None:
    told = spring(
        tmp_path,
        {"type": kind, "host": "db", "database": "shop", "username": "ada", "password": 'p"w\\'},
        PORT="9000",
    )

    assert told.splitlines() == [
        'SERVER_PORT = "9000"',
        f'SPRING_DATASOURCE_URL = "jdbc:{scheme}://db:{port}/shop"',
        'SPRING_DATASOURCE_USERNAME = "ada"',
        'SPRING_DATASOURCE_PASSWORD = "p\\"w\\\\"',
    ]


def test_what_is_set_already_stays(tmp_path: Path) -> None:
    told = spring(
        tmp_path,
        {"type": "mysql", "host": "db"},
        SERVER_PORT="1",
        PORT="2",
        SPRING_DATASOURCE_URL="jdbc:h2:mem:x",
    )

    assert told == ""


@pytest.mark.parametrize(
    ("mark", "variable"),
    [
        ("io/micronaut/runtime/Micronaut.class", "MICRONAUT_SERVER_PORT"),
        ("io/quarkus/runtime/Quarkus.class", "QUARKUS_HTTP_PORT"),
    ],
)
def test_a_framework_that_reads_no_port_gets_it_by_its_own_name(
    mark: str, variable: str, tmp_path: Path
) -> None:
    jar = tmp_path / "app.jar"
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr(mark, b"")
    program = tmp_path / "server-port"
    program.write_text(conf.server_port([jar]))

    def told(**environ: str) -> str:
        words = ["bash", "-c", 'bash "$0" 3>&1', str(program)]
        return subprocess.run(
            words, env={**os.environ, **environ}, capture_output=True, text=True, check=True
        ).stdout

    assert told(PORT="9000") == f'{variable} = "9000"\n'
    assert told(PORT="9000", **{variable: "1"}) == ""


def test_a_bound_redis_is_springs(tmp_path: Path) -> None:
    told = spring(tmp_path, {"type": "redis", "host": "cache", "password": "x"})

    assert told.splitlines() == [
        'SPRING_DATA_REDIS_HOST = "cache"',
        'SPRING_DATA_REDIS_PORT = "6379"',
        'SPRING_DATA_REDIS_PASSWORD = "x"',
    ]


@pytest.mark.skipif(not shutil.which("keytool"), reason="needs keytool")
def test_bound_certificates_are_added_to_the_jvms(tmp_path: Path) -> None:
    end = "-----END CERTIFICATE-----"
    system = Path("/etc/ssl/certs/ca-certificates.crt").read_text("latin-1").split(end)
    folder = tmp_path / "bindings/company"
    folder.mkdir(parents=True)
    (folder / "type").write_text("ca-certificates\n")
    (folder / "two.pem").write_text(f"Company\n{system[0].strip()}\n{end}\n{system[1].strip()}\n{end}")
    (folder / "bad.pem").write_text(f"-----BEGIN CERTIFICATE-----\n***\n{end}\n")
    store = tmp_path / "cacerts"
    cacerts.write(store, cacerts.store([ssl.PEM_cert_to_DER_cert(system[2].strip() + end)]))
    script = (BUILDPACK / "templates/trust").read_text().replace("@store@", str(store))

    done = run_exec_d(
        script, tmp_path, SERVICE_BINDING_ROOT=str(tmp_path / "bindings"), JAVA_TOOL_OPTIONS="-Xmx9m"
    )

    told = re.fullmatch(
        r'JAVA_TOOL_OPTIONS = "-Xmx9m -Djavax\.net\.ssl\.trustStore=(/tmp/trust\.\w+/cacerts)"\n', done.stdout
    )
    assert told, done
    words = ["keytool", "-list", "-keystore", told[1], "-storepass", cacerts.PASSWORD]
    listed = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    shutil.rmtree(Path(told[1]).parent)
    assert "contains 3 entries" in listed
    assert "bad.pem has something that is no certificate" in done.stderr


@pytest.mark.parametrize("options", ["", "-Djavax.net.ssl.trustStore=/own"])
def test_without_bound_certificates_or_with_an_own_store_nothing_is_made(
    options: str, tmp_path: Path
) -> None:
    folder = tmp_path / "bindings/db"
    folder.mkdir(parents=True)
    (folder / "type").write_text("ca-certificates" if options else "mysql")
    (folder / "x.pem").write_text("x")

    done = run_exec_d(
        (BUILDPACK / "templates/trust").read_text(),
        tmp_path,
        SERVICE_BINDING_ROOT=str(tmp_path / "bindings"),
        JAVA_TOOL_OPTIONS=options,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_embedded_certificates_are_trusted_without_a_binding(tmp_path: Path) -> None:
    trust_layer = tmp_path / "layers/pybuild_ca-certificates/trust"
    trust_layer.mkdir(parents=True)
    (trust_layer / "certificates.pem").write_text(ssl.DER_cert_to_PEM_cert(certificate("embedded")))
    store = tmp_path / "cacerts"
    cacerts.write(store, cacerts.store([certificate("of the system")]))
    script = (BUILDPACK / "templates/trust").read_text().replace("@store@", str(store))

    done = run_exec_d(
        script,
        tmp_path,
        CNB_LAYERS_DIR=str(tmp_path / "layers"),
        SERVICE_BINDING_ROOT=str(tmp_path / "nothing"),
    )

    told = re.fullmatch(r'JAVA_TOOL_OPTIONS = " -Djavax\.net\.ssl\.trustStore=(\S+)"\n', done.stdout)
    assert told, done
    made = Path(told[1]).read_bytes()
    shutil.rmtree(Path(told[1]).parent)
    assert (made[:8], made[8:12]) == (store.read_bytes()[:8], b"\0\0\0\2")
    assert certificate("embedded") in made
    assert certificate("of the system") in made


@pytest.mark.parametrize("launch", [True, False])
def test_a_jdk_that_stays_in_the_image_does_not_trust_what_was_bound_to_the_build(
    tmp_path: Path, launch: bool
) -> None:
    bundle = tmp_path / "bundle.crt"
    bundle.write_text(ssl.DER_cert_to_PEM_cert(certificate("bound to the build")))
    layer = Layer(name="jdk", path=tmp_path, types=Types(launch=launch, build=True, cache=True))
    store = tmp_path / cacerts.PLACE
    store.parent.mkdir(parents=True)
    cacerts.write(store, cacerts.of_build({"SSL_CERT_FILE": str(bundle)}))
    assert certificate("bound to the build") in store.read_bytes()

    seal(Jdk(layer=layer, home=tmp_path, feature=17, version="17"))

    assert (certificate("bound to the build") in store.read_bytes()) is not launch


def fake_jdk(tmp_path: Path) -> Jdk:
    layer = Layer(name="jdk", path=tmp_path / "jdk", types=Types())
    return Jdk(layer=layer, home=tmp_path / "jdk", feature=17, version="17")


def test_the_apps_gradle_wrapper_builds_it(
    app: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Gradle itself cannot be had from any package registry: its wrapper is played by a script here."""
    jar(tmp_path / "made.jar", "Main-Class: a.B")
    (app / "gradlew").write_text(
        f'mkdir -p build/libs "$GRADLE_USER_HOME"; cp {tmp_path}/made.jar build/libs/app.jar; echo "gradle $* $JAVA_HOME"'
    )
    (app / "gradle/wrapper").mkdir(parents=True)
    (app / gradle.PROPERTIES).write_text("distributionUrl=https\\://example.com/gradle-8.14-bin.zip\n")

    home = gradle.build(context(app), fake_jdk(tmp_path), "build.gradle")

    shown = capfd.readouterr()
    assert f"gradle --no-daemon -Dorg.gradle.welcome=never assemble {tmp_path}/jdk" in shown.out
    assert "no distributionSha256Sum" in shown.err
    assert home.is_dir()
    assert artifact.find(app, "GRADLE", {}).path == app / "build/libs/app.jar"


def test_gradle_without_its_wrapper_or_with_an_error_is_explained(app: Path, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="no Gradle wrapper"):
        gradle.build(context(app), fake_jdk(tmp_path), "build.gradle")
    (app / "gradlew").write_text("echo 'error: invalid source release: 21'; exit 1")

    with pytest.raises(Problem, match="could not build") as caught:
        gradle.build(context(app), fake_jdk(tmp_path), "build.gradle")

    assert "BP_JVM_VERSION" in caught.value.steps[0]


@pytest.mark.parametrize(
    ("said", "step"),
    [
        ("Fatal error compiling: error: release version 21 not supported", "BP_JVM_VERSION"),
        ("Could not transfer artifact a:b:pom:1", "can reach the repositories"),
        ("There are test failures.", "Correct the tests"),
    ],
)
def test_what_maven_says_leads_to_what_to_do(said: str, step: str) -> None:
    assert step in maven.MAVEN.steps(said)[0]


def test_a_gradle_that_is_another_than_its_digest_is_told() -> None:
    said = (
        "Verification of Gradle distribution failed!\n\nYour Gradle distribution may have been tampered with."
    )

    assert "Correct distributionSha256Sum" in gradle.GRADLE.steps(said)[0]


def small_runtime(tmp_path: Path, script: str) -> Runtime:
    """A runtime whose `java` is this script."""
    java = tmp_path / "jre/bin/java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\n{script}\n")
    java.chmod(0o755)
    return Runtime(layer=Layer(name="jre", path=tmp_path / "jre", types=Types()), home=tmp_path / "jre")


def test_an_archive_of_classes_is_made_of_jars_with_the_images_date(app: Path, tmp_path: Path) -> None:
    jar(app / "app.jar")
    runtime = small_runtime(
        tmp_path, 'for word; do case $word in *AtExit=*) echo x > "${word#*=}" ;; esac; done'
    )
    made = application.Application(jar="app.jar", boot="3.5.3")

    words = cds.train(context(app, BP_JVM_CDS_ENABLED="true"), fake_jdk(tmp_path), runtime, made)

    assert words == (f"-XX:SharedArchiveFile={tmp_path}/layers/cds/app.jsa",)
    assert (app / "app.jar").stat().st_mtime == cds.DATE


@pytest.mark.parametrize(
    ("switch", "boot", "warning"),
    [
        ("", "3.5.3", ""),
        ("false", "3.5.3", ""),
        ("true", "2.7.18", "Spring Boot 3.2 and newer"),
        ("true", "", "Spring Boot 3.2 and newer"),
        ("true", "3.5.3", "does not start at build"),
    ],
)
def test_without_an_archive_the_app_is_built_all_the_same(
    switch: str, boot: str, warning: str, app: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    jar(app / "app.jar")
    runtime = small_runtime(tmp_path, "echo no database >&2; exit 1")
    made = application.Application(jar="app.jar", boot=boot)

    words = cds.train(context(app, BP_JVM_CDS_ENABLED=switch), fake_jdk(tmp_path), runtime, made)

    shown = capfd.readouterr().err
    assert words == ()
    assert warning in shown
    assert bool(shown) == bool(warning)


def test_maven_asks_again_for_what_a_failed_build_did_not_find(tmp_path: Path) -> None:
    """A repository outlives failed builds, and Maven writes down what it did not find for a day."""
    folder = tmp_path / "org/example/late/1.0"
    folder.mkdir(parents=True)
    (folder / "late-1.0.pom.lastUpdated").touch()
    (folder / "other-1.0.pom").touch()

    maven.forget_failures(tmp_path)

    assert [file.name for file in folder.iterdir()] == ["other-1.0.pom"]


def test_mavens_arguments_are_those_of_paketo_and_the_wrapper_names_a_version(app: Path) -> None:
    words = maven.arguments(
        context(app, BP_MAVEN_ADDITIONAL_BUILD_ARGUMENTS="-Da='b c'", BP_MAVEN_ACTIVE_PROFILES="prod,eu")
    )

    assert words == ("-Dmaven.test.skip=true", "package", "-Da=b c", maven.DATE, "-Pprod,eu")
    assert maven.wrapper_version("distributionUrl=https://x/apache-maven-3.9.9-bin.zip\n") == "3.9.9"
    assert maven.wrapper_version("wrapperVersion=3.3.2\n") == ""
    with pytest.raises(Problem, match="BP_MAVEN_BUILD_ARGUMENTS cannot be understood"):
        maven.arguments(context(app, BP_MAVEN_BUILD_ARGUMENTS="'"))
