"""What the command lines refuse, with a sentence, before any work is done; what they choose by default."""

from pathlib import Path

import pytest

from sam2_ros.evaluation import input_size, synthetic


@pytest.mark.parametrize('main', [synthetic.main, input_size.main])
@pytest.mark.parametrize(('arguments', 'message'), [
    (['--checkpoint', 'nowhere.pt'], 'there is no checkpoint nowhere.pt'),
    (['--model', 'sam2.1_hiera_large'], 'sam2.1_hiera_large has no bundled weights; give a file with --checkpoint'),
    (['--subsets', 'hard'], "invalid choice: 'hard'"),
    (['--clips', '0'], "'0' is not a whole number above 0"),
    (['--split', 'test'], "invalid choice: 'test'"),
    (['--frames', '1.5'], "'1.5' is not a whole number above 0"),
])
def test_what_cannot_be_done_is_refused(main, arguments, message, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    assert exit_info.value.code == 2
    assert message in capsys.readouterr().err


def test_an_unsuitable_image_size_is_refused(micro_weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for main, option in ((synthetic.main, '--image-size'), (input_size.main, '--sizes')):
        with pytest.raises(SystemExit):
            main(['--checkpoint', str(micro_weights), option, '100'])
        assert 'multiple of 32' in capsys.readouterr().err
