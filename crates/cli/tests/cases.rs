//! Cases that need no server, as data: `tests/cmd/*.trycmd`.

#[test]
fn commands_say_what_the_cases_say() {
    trycmd::TestCases::new()
        .env("WAX_HOME", "home")
        .env("COLUMNS", "100")
        .env("LANG", "C.UTF-8")
        .case("tests/cmd/*.trycmd");
}
